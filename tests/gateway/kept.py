"""An open turn with its journal and the desk, over a real store and a scripted platform."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any

from agent.calls import JudgedCall
from agent.canonical import canonical
from agent.costs import FREE, Quote
from agent.effects import RecordStep
from agent.messages import JsonObject, ResultStatus, ToolResult
from agent.tools.base import EffectClass, Malformed, PreparedCall, Tool
from gateway import refs
from gateway.config.values import Config
from gateway.delivery import Deliveries
from gateway.desk_assembly import supervision
from gateway.notices import Notices
from gateway.reply import Reply
from gateway.store.base import Durability, Store, Transition, Tx
from gateway.store.records import calls, transcript
from gateway.store.records.sessions import OpenTurn
from gateway.turns import StoredTurn
from tests.agent.scripted import ScriptedTool, all_tools, assistant, call
from tests.gateway.intake import CONFIG
from tests.gateway.way_out import WayOut
from tests.transitions import KEPT

PAID = Quote(ceiling=2_000, unit="call", unit_price=2_000, quantity=1, source="config")
"""Two tenths of a cent at most."""


@dataclass(kw_only=True)
class PaidTool(ScriptedTool):
    """A tool whose every call costs."""

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        prepared = super().prepare(arguments)
        return prepared if isinstance(prepared, Malformed) else replace(prepared, quote=PAID)


def tools() -> dict[str, Tool]:
    """One tool of each effect class, and one that costs."""
    return {**all_tools(), "paid": PaidTool(name="paid", effect=EffectClass.PURE)}


def a_call(tool: str, ident: str, **arguments: Any) -> JudgedCall:
    """A call of one of these tools as the runner hands it to the journal."""
    prepared = tools()[tool].prepare(arguments)
    assert isinstance(prepared, PreparedCall)
    written = call(tool, canonical(arguments).decode(), ident=ident)
    return JudgedCall(call=written, prepared=prepared)


async def free(journal: StoredTurn, step: int) -> bool:
    """Open a step of a model that costs nothing."""
    return await journal.step_opened(step, "m", FREE)


class Noting:
    """A Store that notes how durably each unit was written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked: list[Durability] = []
        self.read = store.read
        self.close = store.close
        self.health = store.health

    async def write(self, unit: Callable[[Tx], Any], *, transition: Transition) -> Any:
        self.asked.append(transition.durability)
        return await self._store.write(unit, transition=transition)


class Kept:
    """An open turn with its journal, and what it has stored."""

    def __init__(
        self, way: WayOut, turn: OpenTurn, deliveries: Deliveries, *, joins: bool, config: Config
    ) -> None:
        self.store = Noting(way.store)
        self.way = way
        self.turn = turn
        self.desk = supervision(
            config=config,
            store=way.store,
            clock=way.clock,
            deliveries=deliveries,
            notices=Notices(store=way.store, deliveries=deliveries, clock=way.clock, owners=()),
            tools=tools(),
            zone=UTC,
            keys=(b"k" * 32,),
            wake=lambda key: None,
        )
        reply = Reply(
            turn=turn, outlet=way.outlet, store=self.store, clock=way.clock, wait=way.clock.wait
        )
        self.journal = StoredTurn(
            turn=turn,
            reply=reply,
            store=self.store,
            clock=way.clock,
            joins=joins,
            desk=self.desk.turn_desk,
        )

    async def recorded(self, *asked: JudgedCall, step: int = 1) -> None:
        """Store a reply that says "Look." and makes these calls."""
        await free(self.journal, step)
        message = assistant("Look.", *(each.call for each in asked))
        record = RecordStep(step=step, message=message, usage=None, calls=asked)
        await self.journal.step_recorded(record)

    async def settled(self, result: ToolResult) -> None:
        """Give a call its result from outside the run of its turn."""

        def unit(tx: Tx) -> None:
            ids = {"session_id": self.turn.session_id, "turn_id": self.turn.turn_id}
            calls.settle(tx, **ids, result=result, now=self.way.clock.now())

        await self.way.store.write(unit, transition=KEPT)

    async def run(self, sql: str) -> None:
        """Change rows as nobody else would."""
        await self.way.store.write(lambda tx: tx.run(sql), transition=KEPT)

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return await self.way.store.read(lambda tx: tx.rows(sql))

    async def states(self) -> dict[str, str]:
        """The state of every call."""
        return {str(i): str(s) for i, s in await self.rows("SELECT id, state FROM tool_call")}

    async def money(self) -> list[tuple[Any, ...]]:
        """Every reservation: its kind, state, hold and figure."""
        return await self.rows(
            "SELECT kind, state, amount, actual FROM reservation ORDER BY opened_at, id"
        )

    async def results(self) -> list[ToolResult]:
        """The results in the transcript, but for those of calls that were refused at once."""
        loaded = await self.way.store.read(lambda tx: transcript.load(tx, self.turn.session_id))
        results = [message for _, message in loaded if isinstance(message, ToolResult)]
        return [each for each in results if each.status is not ResultStatus.REFUSED]

    async def words(self) -> list[str]:
        """What stands in the chat once everything has left."""
        await self.way.settled()
        return self.way.adapter.shown("1001")


async def kept_of(
    way: WayOut, turn: OpenTurn, *, joins: bool = True, config: Config = CONFIG
) -> Kept:
    """A turn whose words and cards leave by one way out."""
    deliveries = Deliveries(store=way.store, clock=way.clock)
    way.outlet = await deliveries.attach(way.adapter.account, way.adapter)
    assert refs.account_text(way.outlet.account) == turn.account
    return Kept(way, turn, deliveries, joins=joins, config=config)
