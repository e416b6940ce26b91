"""An Outlet over a real store and a scripted platform, its time moved by hand."""

from typing import Any

from gateway import outgoing
from gateway.outlet import Outlet
from gateway.store.base import Store, Tx
from gateway.store.records import outbox
from gateway.store.records.outbox import NewOutbox, Op, OutboxRow, Purpose
from platforms import markup
from platforms.errors import RateLimited
from platforms.pacing import Limiter
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import NOW
from tests.gateway.scripted_adapter import ScriptedAdapter
from tests.transitions import KEPT

ANN = "telegram:1001"
"""Ann's direct chat; its name on the platform is "1001"."""


class WayOut:
    """An outlet and short ways to fill and read it."""

    def __init__(self, store: Store, clock: HandClock, adapter: ScriptedAdapter) -> None:
        self.store = store
        self.clock = clock
        self.adapter = adapter
        self.alerts: list[tuple[str, str]] = []
        self.outlet = self.made()
        self._numbers = 0

    def made(self) -> Outlet:
        """An outlet as a start of the gateway makes it."""
        return Outlet(
            account=self.adapter.account,
            adapter=self.adapter,
            limiter=Limiter(self.adapter.capabilities.budgets),
            store=self.store,
            clock=self.clock,
            sleep=self.clock.sleep,
            jitter=lambda: 0.0,
            alert=lambda key, sentence: self.alerts.append((key, sentence)),
        )

    async def stored(
        self,
        text: str = "hello",
        *,
        chat: str = ANN,
        op: Op = "post",
        purpose: Purpose = "final",
        target: OutboxRow | None = None,
        turn_id: int | None = None,
        content: outgoing.Content | None = None,
        line: str = "",
    ) -> OutboxRow:
        """Store a row without sending it."""
        self._numbers += 1
        new = NewOutbox(
            dedupe_key=f"k{self._numbers}",
            account="telegram:77",
            chat=chat,
            turn_id=turn_id,
            part=0,
            purpose=purpose,
            op=op,
            target_id=target.id if target else None,
            content=outgoing.dump(content or outgoing.Words(body=markup.parse(text))),
            nonce=self.clock.nonce(),
            line=line,
        )
        row = await self._write(lambda tx: outbox.insert(tx, new, now=NOW))
        assert isinstance(row, OutboxRow)
        return row

    async def send(self, *texts: str, **fields: Any) -> list[OutboxRow]:
        """Store rows and hand them to the outlet."""
        rows = [await self.stored(text, **fields) for text in texts]
        self.outlet.enqueue(tuple(rows))
        return rows

    async def settled(self) -> None:
        """Wait until everything that was handed over is settled."""
        await self.outlet.flush()

    async def row(self, row: OutboxRow) -> OutboxRow:
        """A row as it stands now."""
        found = await self.store.read(lambda tx: outbox.get(tx, row.id))
        assert found is not None
        return found

    async def fate(self, row: OutboxRow) -> tuple[str, str | None, str | None]:
        """State, platform id and reason of a row."""

        def query(tx: Tx) -> tuple[str, str | None, str | None]:
            found = tx.row("SELECT state, message_id, reason FROM outbox WHERE id = ?", row.id)
            assert found is not None
            return found[0], found[1], found[2]

        return await self.store.read(query)

    async def slept(self, *expected: float) -> None:
        """Let these waits pass, one after the other."""
        for seconds in expected:
            waits = await self.clock.asleep()
            assert [round(wait, 3) for wait in waits] == [seconds]
            self.clock.advance(waits[0])

    async def _write(self, unit: Any) -> Any:
        return await self.store.write(unit, transition=KEPT)


def limited(seconds: float = 5.0, scope: str = "chat") -> RateLimited:
    """The platform asks to wait."""
    return RateLimited("slow down", retry_after_s=seconds, scope=scope)
