"""Random histories of the desk: after every step the invariants hold that people rely on.

Presses of any button ever shown (old ones too) by anybody, messages, stops, time, restarts,
freezes, prices and roles that change, in any order.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.costs import DOLLAR, Unknown, UnknownBecause
from agent.credentials import Lease
from agent.messages import UserMessage
from agent.providers.base import ModelRequest, StreamEvent
from agent.tools.base import EffectClass
from gateway.errors import StoreFailed
from gateway.store import migrate
from gateway.store.records.cards import Request
from gateway.store.sqlite import open_sqlite
from platforms.content import Button
from platforms.events import Author, ChatRef
from tests.gateway.approvals.house import CAL, DAN, EVE, Forgetful, House, Shown, made_calls
from tests.gateway.core import says
from tests.gateway.events import ANN, BEN, DM, GROUP
from tests.gateway.hand_clock import HandClock

PEOPLE = (ANN, BEN, CAL, DAN, EVE)
MAY = {
    "approver": {"telegram:1002", "telegram:1003", "telegram:1005"},
    "owner": {"telegram:1003"},
}
WISHES = (
    ("paid",),
    ('paid {"text":"a"}', 'paid {"text":"b"}', "free"),
    ("tells", "budgeted"),
    ("allowed", "dear"),
    ("budgeted", "budgeted", "budgeted"),
    ('asks {"question":"Which?","options":["one","two"]}',),
    ("destroys",),
    ("repeats", "paid"),
    ("reads", "cheap"),
)
GATED = frozenset({"paid", "free", "tells", "dear", "destroys", "repeats"})


class Wishing(Forgetful):
    """A model that makes its next wish whenever a person has spoken; else it is done."""

    def __init__(self) -> None:
        super().__init__()
        self.wishes: list[tuple[str, ...]] = []

    async def stream(
        self, request: ModelRequest, lease: Lease
    ) -> AsyncGenerator[StreamEvent, None]:
        asked = isinstance(request.messages[-1], UserMessage) and self.wishes
        calls = made_calls(*self.wishes.pop(0)) if asked else ()
        self.script(says("Let me." if calls else "Done.", calls=calls))
        async for event in super().stream(request, lease):
            yield event


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happens; numbers choose among what there is then."""

    what: str
    who: int
    one: int
    two: int


STEPS = st.builds(
    Step,
    what=st.sampled_from(
        (
            *("ask",) * 3,
            *("press",) * 6,
            *(
                "both",
                "cut",
                "cut",
                "write",
                "stop",
                "time",
                "restart",
                "price",
                "freeze",
                "code",
                "auto",
            ),
        )
    ),
    who=st.integers(0, len(PEOPLE) - 1),
    one=st.integers(0, 99),
    two=st.integers(0, 99),
)


class History:
    """A house with what it has shown so far, and what must hold of it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.model = Wishing()
        house.model = self.model
        self.seen: list[tuple[Shown, str, Button]] = []

    async def act(self, step: Step) -> None:
        """Let one thing happen, and hold the invariants against what it led to."""
        self._remember()
        before = {request.id: request for request in await self.house.requests()}
        turns = await self._turns_of_cards()
        pressed = await self._happen(step)
        await self.house.rest()
        await self.house.look()
        if pressed is not None:
            await self._only_its_turn(before, turns, pressed)
        await self._hold()

    async def _happen(self, step: Step) -> str | None:
        house, author = self.house, PEOPLE[step.who]
        chat = DM if author == ANN and step.two % 3 == 0 else GROUP
        match step.what:
            case "ask":
                self.model.wishes.append(WISHES[step.one % len(WISHES)])
                await house.take(house.words("do it", author=author, chat=chat))
            case "write":
                await house.take(house.words("rather this", author=author, chat=chat))
            case "stop":
                await house.take(house.words("/stop", author=author, chat=chat))
            case "press":
                return await self._press(step, author)
            case "both":
                await self._press(step, author, settle=False)
                await self._press(replace(step, one=step.two), BEN, settle=False)
            case "cut":
                await self._press(step, author, settle=False)
                for _ in range(step.two):
                    await asyncio.sleep(0)
                await house.restart()
            case "code":
                await self._code(step, author, chat)
            case "time":
                house.clock.advance((30, 700, 1_000, 3_700)[step.one % 4])
            case "restart":
                await house.restart()
            case "price":
                unknown = Unknown(because=UnknownBecause.PRICE, text="gone")
                prices = (DOLLAR // 2, DOLLAR // 4, 2 * DOLLAR, unknown)
                house.tools["paid"].price = prices[step.one % 4]
            case "freeze":
                name = "freeze" if step.one % 2 else "unfreeze"
                await house.command(name, author=(BEN, CAL)[step.two % 2])
            case "auto":
                await house.command("auto", "$3 2h", author=author, chat=chat)
        return None

    def _remember(self) -> None:
        known = {button.payload for _, _, button in self.seen}
        for shown in self.house.shown():
            for label, button in shown.buttons.items():
                if button.payload not in known:
                    self.seen.append((shown, label, button))

    async def _press(self, step: Step, author: Author, *, settle: bool = True) -> str | None:
        if not self.seen:
            return None
        recent = self.seen[-12:] if step.two % 3 else self.seen
        if step.two % 2:
            labels = ("Approve", "Yes", "Raise", "Go on", "Show all")
            recent = [each for each in recent if each[1].startswith(labels)] or recent
        shown, _, button = recent[step.one % len(recent)]
        await self.house.take(self.house.event_of(button, shown, author))
        return button.payload[1:23] if settle else None

    async def _code(self, step: Step, author: Author, chat: ChatRef) -> None:
        found = await self.house.cards()
        if found:
            card, _ = found[step.one % len(found)]
            name = ("approve", "deny", "show")[step.two % 3]
            await self.house.command(name, card.code, author=author, chat=chat)

    async def _turns_of_cards(self) -> dict[str, int]:
        return {card.id: card.turn_id for card, _ in await self.house.cards()}

    async def _only_its_turn(
        self, before: dict[str, Request], turns: dict[str, int], pressed: str
    ) -> None:
        """I3: a press changes requests of its own card's turn, and no other that stood then."""
        for after in await self.house.requests():
            known = before.get(after.id)
            if known is not None and known != after:
                assert turns[after.card_id] == turns[pressed]

    async def _hold(self) -> None:
        cards = await self.house.cards()
        requests = [request for _, items in cards for request in items]
        self._one_run_each(requests)
        await self._within_limits()
        shown = {each.text.split(":")[0].split()[-1] for each in self.house.shown()}
        for card, items in cards:
            for request in items:
                self._entitled(card, request)
            final = all(request.state != "pending" for request in items)
            assert final == (card.state == "closed")
            assert not (final and card.code in shown), "I12: nothing can be pressed any more"
            assert card.state != "open" or card.code in shown
        await self._nothing_waits_unseen()

    def _one_run_each(self, requests: list[Request]) -> None:
        """I1, I2: a gated call ran at most once, with a yes for exactly what ran."""
        yes = Counter(r.call_id for r in requests if r.state == "approved")
        approved = {r.call_id: r for r in requests if r.state == "approved"}
        for name, tool in self.house.tools.items():
            runs = Counter(ran.call_id for ran in tool.ran)
            for ident, count in runs.items():
                # A run that was cut is repeated under its key, or by another yes.
                repeats = tool.effect in (EffectClass.KEYED, EffectClass.PURE)
                assert repeats or count <= max(1, yes[ident]), name
                assert len({ran.arguments for ran in tool.ran if ran.call_id == ident}) == 1
            for ran in tool.ran:
                if name in GATED and ran.call_id in approved:
                    assert approved[ran.call_id].arguments == ran.arguments
                assert name not in GATED or ran.call_id in approved or name in self._by_auto()

    def _by_auto(self) -> frozenset[str]:
        """What `/auto` may let through, of what is gated here."""
        return frozenset({"paid", "dear", "free"})

    async def _within_limits(self) -> None:
        """I5: per scope and window, settled and held are within the limit and its raises."""
        for scope, settled, held, cap, raised in await self.house.rows(
            "SELECT scope, settled, held, cap, raised FROM balance"
        ):
            assert settled >= 0 and held >= 0
            assert cap is None or settled + held <= cap + raised, scope

    def _entitled(self, card: Any, request: Request) -> None:
        """I4, I9: who said yes may, in time; what nobody decided is no yes."""
        if request.state == "approved":
            assert request.decided_by
            assert request.decided_by in MAY.get(card.tier, {card.requester, *MAY["approver"]})
            assert card.expires_at is None or request.decided_at < card.expires_at

    async def _nothing_waits_unseen(self) -> None:
        """I11, I12: a turn waits for a card that stands, and money for a call that is not over."""
        waiting = await self.house.rows(
            "SELECT id FROM turn WHERE state = 'waiting' AND NOT EXISTS (SELECT 1 FROM card"
            " WHERE card.turn_id = turn.id AND card.state <> 'closed')"
        )
        assert waiting == []
        idle = await self.house.rows(
            "SELECT tool_call.state FROM reservation JOIN tool_call"
            " ON tool_call.reservation_id = reservation.id WHERE reservation.state = 'held'"
            " AND tool_call.state IN ('asked', 'refused', 'not_run', 'malformed')"
        )
        assert idle == []


def _unexpected(failure: StoreFailed) -> None:
    raise AssertionError(failure)


async def _play(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        store = await open_sqlite(path / "state", migrate.packaged(), on_failure=_unexpected)
        house = House(store, path, HandClock())
        history = History(house)
        limits = replace(house.config.budget, turn=DOLLAR, chat_day=4 * DOLLAR)
        house.config = replace(house.config, budget=limits)
        await house.open()
        try:
            for step in steps:
                await history.act(step)
            await house.audit_holds()
        finally:
            await house.shut()
            await store.close()


@settings(max_examples=14, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=6, max_size=22))
def test_random_histories_keep_the_invariants(steps: list[Step]) -> None:
    """I2, I3, I5, I9 and I12 after every step, and the audit's chain at the end."""
    asyncio.run(_play(steps))
