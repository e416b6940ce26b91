"""What a run does with the desk as it begins."""

from agent.rules import Policy, Rule, policy_of
from agent.tools.base import Verdict
from gateway import audit
from gateway.chain import Intact
from gateway.desk_assembly import put_into_force
from gateway.store.base import Store
from gateway.store.records import allowances
from gateway.store.records import audit as rows
from gateway.store.records.allowances import Allowance
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import write

RULES = policy_of([Rule(id="no-shell", tool="shell", verdict=Verdict.DENY)])


async def test_the_rules_of_a_run_are_in_the_audit(store: Store, clock: HandClock) -> None:
    """One row each time they are loaded, with what was allowed under others and ended."""
    await put_into_force(store, clock, Policy())
    await write(store, lambda tx: allowances.insert(tx, _auto(clock)))
    await put_into_force(store, clock, RULES)
    first, second = await store.read(rows.page)
    assert (first.link.kind, first.link.subject) == ("policy", "none")
    assert first.link.detail == '{"ended":0,"rules":[]}'
    assert second.link.subject == RULES.version
    assert second.link.detail == (
        '{"ended":1,"rules":[{"id":"no-shell","tool":"shell","verdict":"deny"}]}'
    )
    assert isinstance(await audit.verify(store), Intact)


def _auto(clock: HandClock) -> Allowance:
    """What `/auto` gave while no rule was written."""
    return Allowance(
        id="a1",
        kind="auto",
        session_id=None,
        account="telegram:77",
        chat="telegram:1001",
        requester="telegram:1001",
        giver="telegram:1001",
        giver_name="Ann",
        bounds={},
        ceiling=1_000_000,
        uses_left=10,
        cap=1_000_000,
        policy="none",
        created_at=clock.now(),
        until_at=clock.now() + 3_600_000_000,
    )
