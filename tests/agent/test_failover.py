"""The plan of one turn: where it starts, who is passed over and why; it never goes back."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.credentials import Lease, Service, Standing
from agent.errors import ProviderError, ProviderUnavailable
from agent.failover import (
    ANYONE,
    Candidate,
    Entry,
    FailoverPlan,
    Included,
    Need,
    Skipped,
    plan_for,
)
from agent.health import Health
from agent.messages import Origin
from tests.agent.failures import NOW, failed
from tests.agent.scripted import ScriptedProvider, entry


@dataclass(kw_only=True)
class Keys:
    """Keys that stand as they are told to."""

    stands: Standing = field(default_factory=lambda: Standing(ready=1))
    service: Service = Service.STATIC

    async def lease(self, *, session: str, model: str) -> Lease:
        return Lease(label="key-1", headers={})

    async def renew(self, lease: Lease) -> bool:
        return False

    async def failed(
        self, lease: Lease, error: ProviderError, *, again_s: float | None = None
    ) -> None:
        pass

    async def succeeded(self, lease: Lease) -> None:
        pass

    def release(self, lease: Lease) -> None:
        pass

    def standing(self, *, model: str, without: Lease | None = None) -> Standing:
        return self.stands

    def next_label(self, *, session: str, model: str) -> str:
        return "key-1"


def named(name: str, *, endpoint: str = "", model: str = "", **fields: Any) -> Entry:
    """An entry of this name, by default with an endpoint and a model of its own."""
    origin = Origin(
        provider=name, endpoint=endpoint or f"http://{name}", model=model or f"model-{name}"
    )
    return entry(ScriptedProvider(origin=origin), name, **({"credential": Keys()} | fields))


ONE, TWO, THREE = CHAIN = tuple(named(name) for name in ("one", "two", "three"))
RESTING = Standing(ready=0, rests_until=NOW)
DEAD = Standing(ready=0, dead=1)


def ill(*entries: Entry) -> Health:
    """Breakers that have just opened for these."""
    health = Health()
    error = failed(ProviderUnavailable, "server_error", status=500)
    for each in entries:
        for _ in range(5):
            health.failed(each.provider.origin, error, 0.1, 0.0, trial=False)
    return health


def behind(
    *entries: Entry, need: Need = ANYONE, health: Health | None = None, now: float = 0.0
) -> tuple[Candidate, ...]:
    """Who could be asked after the primary."""
    plan = FailoverPlan((ONE, *entries))
    return plan.following(health=health or Health(), now=now, need=need)


def words(candidates: tuple[Candidate, ...]) -> list[tuple[str, str, str]]:
    """Names with why they are skipped and why they rest."""
    return [(each.entry.name, each.skip, each.rests) for each in candidates]


# -- forward only


def test_a_plan_starts_at_the_primary() -> None:
    """Nobody was skipped, and everybody else is behind."""
    plan = FailoverPlan(CHAIN)
    assert plan.current is plan.primary is ONE
    assert (plan.index, plan.skipped) == (0, ())
    assert [c.entry for c in plan.following(health=Health(), now=0.0, need=ANYONE)] == [TWO, THREE]


def test_a_plan_moves_only_forward_and_never_wraps() -> None:
    """Whoever is left behind is out of reach, whoever is current can't be gone to."""
    plan = FailoverPlan(CHAIN)
    plan.move_to(TWO)
    assert (plan.current, plan.index, plan.primary) == (TWO, 1, ONE)
    for gone in (ONE, TWO, named("stranger")):
        with pytest.raises(ValueError, match="is not behind"):
            plan.move_to(gone)
    plan.move_to(THREE)
    assert plan.following(health=Health(), now=0.0, need=ANYONE) == ()
    assert (plan.current, plan.index) == (THREE, 2)


def test_the_next_turn_starts_at_the_primary_again() -> None:
    """A plan forgets nothing over to another plan of the same chain."""
    spent = plan_for(CHAIN, None)
    spent.move_to(THREE)
    assert plan_for(CHAIN, None).current is ONE


def test_a_session_may_prefer_another_primary() -> None:
    """The chosen entry comes first, the others keep their order; an unknown choice is none."""
    plan = plan_for(CHAIN, "two")
    assert plan.primary is TWO
    following = plan.following(health=Health(), now=0.0, need=ANYONE)
    assert [each.entry for each in following] == [ONE, THREE]
    assert plan_for(CHAIN, "gone").primary is ONE
    assert TWO.model == "model-two"


def test_an_empty_plan_is_refused() -> None:
    """A turn without anybody to ask is a fault of the configuration, not of the turn."""
    with pytest.raises(ValueError, match="at least one"):
        plan_for((), None)


# -- who is passed over


BARRED = Need(barred=frozenset(("http://one",)))


@pytest.mark.parametrize(
    ("entry_behind", "need", "reason"),
    [
        (named("x", api="demo"), ANYONE, "demo"),
        (
            named("x", endpoint="http://one", model="model-one"),
            ANYONE,
            "same endpoint and model as one already tried",
        ),
        (named("x", endpoint="http://one"), BARRED, "same endpoint"),
        (named("x", priced=False), ANYONE, "unpriced"),
        (named("x", tools=False), Need(tools=True), "no tool support"),
        (named("x", context_window=8_000), Need(tokens=8_001), "window too small"),
        (
            named("x", context_window=8_000, max_output_tokens=2_000),
            Need(tokens=6_001),
            "window too small",
        ),
        (named("x", credential=Keys(stands=DEAD)), ANYONE, "no live credential"),
    ],
)
def test_who_can_not_answer_is_skipped(entry_behind: Entry, need: Need, reason: str) -> None:
    """The reason is on record, and the entry is not asked however empty the plan is."""
    assert words(behind(entry_behind, need=need)) == [("x", reason, "")]


@pytest.mark.parametrize(
    ("entry_behind", "need"),
    [
        (named("x", endpoint="http://one"), ANYONE),
        (named("x", model="model-one"), ANYONE),
        (named("x"), Need(barred=frozenset(("http://one",)))),
        (named("x", tools=False), ANYONE),
        (named("x"), Need(tools=True)),
        (named("x", context_window=8_000, max_output_tokens=2_000), Need(tokens=6_000)),
        (named("x", pricing=Included()), ANYONE),
    ],
)
def test_who_can_answer_is_ready(entry_behind: Entry, need: Need) -> None:
    """A model of its own at the same endpoint is another one; no tools are missed unasked."""
    (candidate,) = behind(entry_behind, need=need)
    assert candidate == Candidate(entry=entry_behind)
    assert candidate.ready


def test_who_rests_comes_after_who_is_ready() -> None:
    """Resting entries are asked at last; whoever can't answer stands at the end."""
    tired = named("tired", credential=Keys(stands=RESTING))
    demo, sick, well = named("demo", api="demo"), named("sick"), named("well")
    listed = behind(demo, tired, sick, well, health=ill(sick))
    assert words(listed) == [
        ("well", "", ""),
        ("tired", "", "no live credential"),
        ("sick", "", "breaker open"),
        ("demo", "demo", ""),
    ]
    assert [each.ready for each in listed] == [True, False, False, False]


def test_a_breaker_whose_rest_is_over_is_no_reason() -> None:
    """Whoever is asked then makes the trial."""
    assert behind(TWO, health=ill(TWO), now=14.9)[0].rests == "breaker open"
    assert behind(TWO, health=ill(TWO), now=15.0)[0].ready


def test_everyone_who_was_tried_is_known() -> None:
    """Not only the primary: an endpoint and model is tried once in a turn."""
    again = named("again", endpoint="http://two", model="model-two")
    plan = FailoverPlan((ONE, TWO, again))
    plan.move_to(TWO)
    (candidate,) = plan.following(health=Health(), now=0.0, need=ANYONE)
    assert candidate.skip == "same endpoint and model as one already tried"


def test_looking_changes_nothing() -> None:
    """The list is the same each time, and nothing is on record before the plan has moved."""
    plan = FailoverPlan((ONE, named("x", api="demo"), TWO))
    first = plan.following(health=Health(), now=0.0, need=ANYONE)
    assert plan.following(health=Health(), now=0.0, need=ANYONE) == first
    assert (plan.skipped, plan.index) == ((), 0)


def test_whom_a_move_has_passed_over_is_on_record() -> None:
    """With the reason of each, once, and money where nothing else stood against it."""
    demo, dear = named("demo", api="demo"), named("dear")
    plan = FailoverPlan((ONE, demo, dear, TWO, THREE))
    listed = plan.following(health=Health(), now=0.0, need=ANYONE)
    plan.move_to(TWO, passed=listed)
    plan.skip(demo, "demo")
    assert plan.skipped == (
        Skipped(entry="dear", reason="reservation does not fit"),
        Skipped(entry="demo", reason="demo"),
    )


@given(
    kinds=st.lists(
        st.sampled_from(["well", "sick", "demo", "unpriced", "tired"]), min_size=1, max_size=7
    ),
    rounds=st.integers(0, 8),
)
def test_however_a_plan_moves_its_index_only_grows(kinds: list[str], rounds: int) -> None:
    """Every entry is asked once at most, and nobody who can't answer is asked at all."""
    makers: dict[str, dict[str, Any]] = {
        "demo": {"api": "demo"},
        "unpriced": {"priced": False},
        "tired": {"credential": Keys(stands=RESTING)},
    }
    entries = tuple(named(f"{i}-{kind}", **makers.get(kind, {})) for i, kind in enumerate(kinds))
    health = ill(*(each for each in entries if "sick" in each.name))
    plan = FailoverPlan(entries)
    asked = [plan.current]
    for _ in range(rounds):
        before = plan.index
        listed = plan.following(health=health, now=0.0, need=ANYONE)
        left = [each for each in listed if not each.skip]
        if not left:
            break
        plan.move_to(left[0].entry, passed=listed)
        assert plan.index > before
        asked.append(plan.current)
    assert len({each.name for each in asked}) == len(asked)
    assert all(each.priced and each.api != "demo" for each in asked[1:])
