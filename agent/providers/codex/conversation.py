"""One thread on a live child: its open turn, what it asks, and how long it may be silent.

Theory of operation. A pump reads everything the child says, whether anybody listens or not: events
of the open turn wait in `events` for the next step, a question becomes an OpenAsk, the end of an
action that people allowed wakes the tool that waits for it. A turn outlives a step: it stays open
while people decide, and the next step reads on. While nobody attends to it, it is given up: after
`open_ask_s` where people are asked, soon where the child would go on (and spend) unread.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Coroutine, Iterator
from typing import Any, assert_never

from agent.messages import JsonObject, ResultStatus, ToolCall
from agent.providers.base import ActionFinished, PulseReceived, StreamEvent
from agent.providers.codex import asks, protocol
from agent.providers.codex.asks import Approvable, Ask, Declined, OpenAsk, Question, Unknown
from agent.providers.codex.child import Child
from agent.providers.codex.items import NOTHING, Finished, TurnAborted, TurnEnded, TurnItems, plus
from agent.providers.codex.losses import ChildLost, RpcRefused
from agent.providers.codex.patience import Patience
from agent.providers.codex.protocol import Notified, Opened, Requested
from agent.providers.codex.times import CodexTimes

log = logging.getLogger(__name__)


class Conversation:
    """A thread and the child it lives on."""

    def __init__(self, child: Child, opened: Opened, *, times: CodexTimes) -> None:
        self.child = child
        self.thread = opened.thread
        self.model = opened.model
        self.turns = list(opened.turns)
        self.turn: str | None = None
        self.asks: dict[str, OpenAsk] = {}
        self.events: deque[StreamEvent] = deque()
        self.items = TurnItems()
        self._times = times
        self._failure: ChildLost | None = None
        self._changed = asyncio.Event()
        self._waits: dict[str, asyncio.Future[Finished]] = {}
        self._starting = False
        self._unpaid = NOTHING
        """What was used outside of any step (a fold, a turn given up): the next turn pays it."""
        self._patience = Patience(times, _now())
        self._unattended: asyncio.TimerHandle | None = None
        self._withdrawing: asyncio.Task[None] | None = None
        self._pump = asyncio.create_task(self._read())

    # -- how it stands

    @property
    def alive(self) -> bool:
        """Whether the child can be spoken to."""
        return self._failure is None and self.child.alive

    @property
    def ended(self) -> TurnEnded | None:
        """How the turn ended, None while it is open or where there is none."""
        return self.items.ended if self.turn is not None else None

    @property
    def open(self) -> bool:
        """Whether a turn is under way."""
        return self.turn is not None and self.items.ended is None

    @property
    def unread(self) -> bool:
        """Whether the child has left, in its open turn, what no step has told of yet."""
        doubts = any(True for _ in self.items.open_actions())
        return self.turn is not None and (bool(self.events) or doubts)

    @property
    def acts(self) -> bool:
        """Whether something that the child does by itself, or asks people for, has no end yet."""
        return bool(self.asks) or any(True for _ in self.items.open_actions())

    def waiting(self, name: str, fingerprint: str) -> OpenAsk | None:
        """The open request that people were asked about with exactly this."""
        for each in self.asks.values():
            ask = each.ask
            if not isinstance(ask, Approvable) or not each.emitted:
                continue
            if ask.name == name and ask.fingerprint == fingerprint:
                return each
        return None

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Somebody attends to the turn: from here on its time and its silence count."""
        if self._unattended is not None:
            self._unattended.cancel()
            self._unattended = None
        self._patience.enter(_now())
        try:
            yield
        finally:
            self._patience.leave(_now())
            if not self._patience.attended:
                self._leave_unattended()

    # -- turns

    async def start_turn(
        self, params: JsonObject, *, first_s: float | None = None, follows: bool = False
    ) -> None:
        """Begin a turn; `first_s` bounds the wait for its first event if that is shorter.

        `follows`: its words stand behind those of another. Raises RpcRefused and ChildLost.
        """
        self._begin_turn(follows=follows)
        self._patience.first_s = first_s
        try:
            result = await self.child.request("turn/start", params, within_s=self._times.turn_s)
        except RpcRefused:
            self.turn, self._starting = None, False
            raise
        self._starting = False
        turn = result.get("turn")
        named = turn.get("id") if isinstance(turn, dict) else None
        if not isinstance(named, str):
            raise ChildLost("junk", "turn/start was answered without a turn")
        if self.turn is None:
            self._turn_is(named)

    async def steer(self, items: tuple[JsonObject, ...]) -> bool:
        """Say something in the middle of the turn; False where the child does not take it.

        Raises ChildLost; one that gives no answer is of no use, for nobody knows what it has heard.
        """
        params: JsonObject = {
            "threadId": self.thread,
            "expectedTurnId": self.turn,
            "input": list(items),
        }
        try:
            await self.child.request("turn/steer", params, within_s=self._times.turn_s)
        except RpcRefused as error:
            log.info("codex took no word in the middle of a turn: %s", error)
            return False
        except ChildLost as lost:
            self._fail(lost)
            raise
        return True

    async def compact(self) -> None:
        """Have the thread folded by the child itself. Raises RpcRefused and ChildLost."""
        self._begin_turn()
        params: JsonObject = {"threadId": self.thread}
        within_s = self._times.turn_s
        with self.working():
            try:
                await self.child.request("thread/compact/start", params, within_s=within_s)
            except RpcRefused:
                self._starting = False
                raise
            while self.items.ended is None:
                await self.changed()
        self._starting = False
        self._unpaid = self.items.used
        if self.turn in self.turns:
            self.turns.remove(self.turn)  # no turn of anybody: nothing to take back
        self.close_turn()

    async def take_back(self, count: int) -> None:
        """Take back the newest turns. Raises RpcRefused and ChildLost.

        Newer versions name the turn and not the number; each refuses the other's method.
        """
        before = self.turns[-count]
        counted: JsonObject = {"threadId": self.thread, "numTurns": count}
        named: JsonObject = {"threadId": self.thread, "beforeTurnId": before}
        within_s = self._times.thread_s
        try:
            await self.child.request("thread/rollback", counted, within_s=within_s)
        except RpcRefused:
            await self.child.request("thread/revert", named, within_s=within_s)
            self.items.total = None  # it counts anew from an earlier turn
        del self.turns[-count:]

    async def interrupt(self) -> bool:
        """End the turn within `interrupt_s`; False where the child does not."""
        if self._starting:
            return False  # nobody knows what the child makes of it
        if not self.open:
            return True
        try:
            await self.break_off()
        except ChildLost:
            return False
        self.close_turn()
        return True

    async def break_off(self) -> None:
        """Have the open turn end; what the child still says of it is there to be read.

        Raises ChildLost for one that does not let go within `interrupt_s`.
        """
        params: JsonObject = {"threadId": self.thread, "turnId": self.turn}
        try:
            async with asyncio.timeout(self._times.interrupt_s):
                with contextlib.suppress(RpcRefused):
                    await self.child.request(
                        "turn/interrupt", params, within_s=self._times.interrupt_s
                    )
                await self._until_ended()
        except TimeoutError as exc:
            raise ChildLost("timeout", "it did not let go of its turn") from exc

    async def withdraw(self) -> bool:
        """Give the open turn up: its questions are cancelled, then it is interrupted."""
        if not self.open:
            return True
        cancelled = False
        for each in tuple(self.asks.values()):
            if isinstance(each.ask, Approvable):
                self._answer(each, asks.decision("cancel"))
                cancelled = True
            else:
                self._answer(each, asks.no_answer_to(each.ask))
        if cancelled:  # that ends the turn by itself
            try:
                async with asyncio.timeout(self._times.interrupt_s):
                    await self._until_ended()
            except (TimeoutError, ChildLost):
                return await self.interrupt()
            self.close_turn()
            return True
        return await self.interrupt()

    def leave(self) -> None:
        """Nobody reads on: the turn is given up now, unless the child waits for people anyway."""
        if self._unattended is not None and not self.asks:
            self._unattended.cancel()
            self._give_up()

    async def settled(self) -> None:
        """Wait until a turn that is being given up is."""
        if self._withdrawing is not None:
            await asyncio.wait((self._withdrawing,))
            self._withdrawing = None

    def close_turn(self) -> None:
        """Nothing more is read of the turn."""
        self.turn = None
        self.asks.clear()
        self.events.clear()
        self._wake(ChildLost("ended", "its turn ended before the result came"))

    # -- answers

    def accept(self, each: OpenAsk) -> "asyncio.Future[Finished]":
        """Allow it, once; the future is the end of what it allowed."""
        item = each.ask.item if isinstance(each.ask, Approvable) else ""
        wait: asyncio.Future[Finished] = asyncio.get_running_loop().create_future()
        wait.add_done_callback(_looked_at)
        self._waits[item] = wait
        self._answer(each, asks.decision("accept"))
        return wait

    def decline(self, each: OpenAsk) -> None:
        """Refuse it."""
        match each.ask:
            case Approvable():
                self._answer(each, asks.decision("decline"))
            case Question() as question:
                self._answer(each, asks.no_answer_to(question))
            case unknown:
                assert_never(unknown)

    def reply(self, each: OpenAsk, question: Question, words: str) -> None:
        """Give people's words."""
        self._answer(each, asks.answer_to(question, words))

    def _answer(self, each: OpenAsk, result: JsonObject) -> None:
        self.asks.pop(each.key, None)
        self.child.answer(each.number, result)

    # -- waiting

    async def changed(self) -> None:
        """Wait until something happened. Raises ChildLost, for silence and the limit too."""
        while not self._changed.is_set():
            if self._failure is not None:
                raise self._failure
            await self._within_limits(self._changed.wait())
        self._changed.clear()
        if self._failure is not None and not self.events:
            raise self._failure

    async def finished(self, wait: "asyncio.Future[Finished]") -> Finished:
        """Wait for the end of an action. Raises ChildLost."""
        while not wait.done():
            await self._within_limits(asyncio.wait((wait,)))
        return wait.result()

    async def quiet(self) -> bool:
        """Whether nothing happens for a moment, so that one step asks for all it will ask for."""
        try:
            async with asyncio.timeout(self._times.gather_s):
                await self._changed.wait()
        except TimeoutError:
            return True
        self._changed.clear()
        return False

    async def _within_limits(self, waiting: Coroutine[Any, Any, object]) -> None:
        limit, lost = self._patience.ends(after_tool=self.items.after_tool)
        task = asyncio.ensure_future(waiting)
        try:
            await asyncio.wait((task,), timeout=max(0.0, limit - _now()))
        finally:
            task.cancel()
        limit, lost = self._patience.ends(after_tool=self.items.after_tool)
        if not task.done() and _now() >= limit:
            raise lost

    async def _until_ended(self) -> None:
        while self.items.ended is None:
            if self._failure is not None:
                raise self._failure
            await self._changed.wait()
            self._changed.clear()

    # -- what the child says

    async def _read(self) -> None:
        while (message := await self.child.incoming.get()) is not None:
            try:
                self._take(message)
            except TurnAborted:
                self._fail(ChildLost("aborted", "the agent said that its turn was aborted"))
                return
        self._fail(self.child.lost or ChildLost("ended", "it said nothing more"))

    def _take(self, message: Notified | Requested) -> None:
        thread = protocol.thread_of(message)
        if thread is None and isinstance(message, Requested):
            self._unknown(message)
        if thread != self.thread:
            return
        if isinstance(message, Notified) and message.method == "serverRequest/resolved":
            self._resolved(message.params.get("requestId"))
            return
        turn = protocol.turn_of(message)
        began = isinstance(message, Notified) and message.method == "turn/started"
        if began and turn is not None and self.turn is None and self._starting:
            self._turn_is(turn)
        if self.turn is None or turn not in (self.turn, None):
            if isinstance(message, Notified) and message.method == "thread/tokenUsage/updated":
                self.items.knew(message)
            return
        self._patience.heard(_now())
        if isinstance(message, Requested):
            self._asked(message)
        elif turn is not None:
            self._notified(message)
        self._changed.set()

    def _notified(self, message: Notified) -> None:
        for event in self.items.take(message):
            if not isinstance(event, Finished):
                self.events.append(event)
                if not isinstance(event, PulseReceived):
                    self._patience.first_s = None
                continue
            wait = self._waits.pop(event.item, None)
            if wait is not None and not wait.done():
                wait.set_result(event)
        if self.items.ended is not None:
            self._wake(ChildLost("ended", "its turn ended before the result came"))

    def _asked(self, request: Requested) -> None:
        item = request.params.get("itemId")
        item_id = item if isinstance(item, str) else ""
        ask: Ask = asks.read_ask(request, self.items.started.get(item_id))
        match ask:
            case Unknown():
                self._unknown(request)
            case Declined():
                self._declined(request, ask, item_id)
            case Approvable():
                self._approvable(request, ask)
            case Question():
                key = asks.key_of(request.id, item_id)
                self.asks[key] = OpenAsk(key=key, number=request.id, ask=ask)
            case unknown:
                assert_never(unknown)

    def _unknown(self, request: Requested) -> None:
        log.warning("codex asked %s, which is not known here", request.method)
        self.child.refuse(request)

    def _approvable(self, request: Requested, ask: Approvable) -> None:
        self._goes_on(ask.item)
        self.items.decided.add(ask.item)
        key = asks.key_of(request.id, ask.item)
        self.asks[key] = OpenAsk(key=key, number=request.id, ask=ask)

    def _goes_on(self, item: str) -> None:
        """An action that was allowed asks again: what was allowed before has led to this."""
        wait = self._waits.pop(item, None)
        if wait is not None and not wait.done():
            text = "It began as approved, and asks for something further before it can end."
            wait.set_result(Finished(item=item, status=ResultStatus.DONE, text=text))

    def _declined(self, request: Requested, ask: Declined, item_id: str) -> None:
        log.info("codex was declined: %s", ask.line)
        self.child.answer(request.id, ask.reply)
        self.items.decided.add(item_id)
        call = ToolCall(
            id="", name=ask.name, arguments=protocol.text_of(ask.arguments), provider_id=item_id
        )
        self.events.append(ActionFinished(call=call, status=ResultStatus.REFUSED, text=ask.line))
        self.events.extend(self.items.told(ask.line))

    def _resolved(self, number: object) -> None:
        """The child has withdrawn a question of its own."""
        for key, each in tuple(self.asks.items()):
            if each.number == number:
                del self.asks[key]
        self._changed.set()

    # -- its end

    def _fail(self, lost: ChildLost) -> None:
        if self._failure is None:
            self._failure = lost
        self._wake(lost)
        self.asks.clear()
        self._changed.set()

    def _wake(self, lost: ChildLost) -> None:
        """Whoever waits for the end of an action learns that it will not come."""
        for wait in self._waits.values():
            if not wait.done():
                wait.set_exception(lost)
        self._waits.clear()

    async def end(self, *, within_s: float) -> None:
        """End the child; the thread is kept by its own files."""
        if self._unattended is not None:
            self._unattended.cancel()
            self._unattended = None
        self._fail(ChildLost("ended", "it was ended"))
        await self.child.end(within_s=within_s)
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)
        if self._withdrawing is not None:
            self._withdrawing.cancel()
            await asyncio.gather(self._withdrawing, return_exceptions=True)

    def _begin_turn(self, *, follows: bool = False) -> None:
        self.close_turn()
        self.items = TurnItems(self.items.total, self._unpaid, said=follows)
        self._unpaid = NOTHING
        self._starting = True
        self._patience.anew(_now())

    def _turn_is(self, turn: str) -> None:
        self.turn = turn
        self.turns.append(turn)

    def _leave_unattended(self) -> None:
        """Give the turn up unless somebody comes back to it in time."""
        if not self.open or not self.alive:
            return
        seconds = self._times.open_ask_s if self.asks else self._times.turn_s
        loop = asyncio.get_running_loop()
        self._unattended = loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        self._unattended = None
        if not self._patience.attended:
            self._withdrawing = asyncio.create_task(self._withdrawn())

    async def _withdrawn(self) -> None:
        gone = not await self.withdraw()
        self._unpaid = plus(self._unpaid, self.items.used)
        if gone:
            self._fail(ChildLost("timeout", "it did not let go of its turn"))
            await self.child.end(within_s=0)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _looked_at(wait: "asyncio.Future[Finished]") -> None:
    """Nobody may be waiting any more; then its failure is nobody's."""
    if not wait.cancelled():
        wait.exception()
