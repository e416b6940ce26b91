"""The growing reply of one turn: a placeholder first, then edits, then its final rows.

Theory of operation. `watch` folds turn events into a view and never waits. One task shows the
view: it signs life until the first post, posts a placeholder (a row, stored before it is sent)
and edits it no faster than the platform's interval. `stop_streaming` ends that task; after it
`final_rows` names every message that must stand in the end, as rows of the closing commit. So
the final text arrives even if every edit before it was dropped.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import assert_never

from agent.events import (
    ProviderSwitched,
    StepRewound,
    StepStarted,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnEvent,
    Waiting,
)
from gateway import outgoing, refs, render
from gateway.clock import Clock
from gateway.outlet import Outlet
from gateway.store import transitions
from gateway.store.base import Store
from gateway.store.records import outbox
from gateway.store.records.outbox import NewOutbox, Op, OutboxRow, Purpose
from gateway.store.records.sessions import OpenTurn
from gateway.words.phrase import Language, Reader
from platforms import markup
from platforms.blocks import Blocks, plain_text
from platforms.content import Typing
from platforms.errors import RateLimited
from platforms.text import parts_of

ANCHOR_CHARACTERS = 24
LARGE_CHANGE = 24
"""Characters that are worth an edit of their own."""

ANCHOR_AFTER_S = 1.5
GRACE_S = 0.4
"""From the first word to the first post: an answer that is complete by then is one post."""

LIVE_PARTS = 3
SMALL_CHANGE_S = 3.0
"""How long a smaller change waits for more to come."""

INTERVAL_MAX_S = 10.0
RATE_LIMITS_BORNE = 3
IN_FLIGHT_S = 2.0

log = logging.getLogger(__name__)


class Reply:
    """The reply of one turn, as far as it stands in the chat."""

    def __init__(
        self,
        *,
        turn: OpenTurn,
        outlet: Outlet,
        store: Store,
        clock: Clock,
        posted: tuple[OutboxRow, ...] = (),
        wait: Callable[[asyncio.Event, float], Awaitable[None]] | None = None,
        time: Callable[[int], str] | None = None,
        language: Language | None = None,
    ) -> None:
        """`posted` are the rows of this turn's messages that an earlier run has made.

        `wait` waits for an event, or for so many seconds. `time` writes a moment, in microseconds
        since 1970, as people read it. `language` is everybody's; without it, each person's own.
        """
        mark = outlet.adapter.capabilities.command_mark
        self.reader = Reader(language=language or turn.language or "en", mark=mark)
        self._time = time or _in_utc
        self._turn = turn
        self._chat = refs.chat_from(turn.reply_to, outlet.account)
        self._outlet = outlet
        self._store = store
        self._clock = clock
        self._wait = wait or _wait
        self._posts: list[OutboxRow] = list(posted)
        self._ids: list[str | None] = [row.message_id for row in posted]
        self._shown: list[Blocks | None] = [None for _ in posted]
        self._said = list(turn.said)
        self._before: Blocks = self._parsed()
        self._current = markup.StreamParser()
        self._words: list[str] = []
        self._label = ""
        self._waiting = ""
        self._running: dict[str, str] = {}
        self._first_word_at: float | None = None
        self._edited_at = 0.0
        self._growth = 0
        self._slowed = 1.0
        self._rate_limits = 0
        self._changed = asyncio.Event()
        self._ending = asyncio.Event()
        self._relabelled = asyncio.Event()
        self._signed = False
        self._editing = False
        self._storing = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to show signs of life and the growing text; nobody watches a clock's job."""
        if self._turn.fire is not None:
            return
        self._outlet.stream_began()
        self._tasks = [
            asyncio.create_task(self._show_growth()),
            asyncio.create_task(self._sign_life()),
        ]

    def watch(self, event: TurnEvent) -> None:
        """Fold one event of the turn into the view."""
        match event:
            case StepStarted():
                self._waiting = ""
                self._keep_step()
            case TextDelta(text=words):
                self._waiting = ""
                if self._first_word_at is None:
                    self._first_word_at = self._clock.monotonic()
                self._words.append(words)
                self._growth += len(words)
                self._current.feed(words)
            case StepRewound():
                self._growth += LARGE_CHANGE
                self._words.clear()
                self._current = markup.StreamParser()
            case ToolStarted(call_id=call_id, label=label):
                self._growth += LARGE_CHANGE
                self._running[call_id] = label
            case ToolFinished(call_id=call_id):
                self._growth += LARGE_CHANGE
                self._running.pop(call_id, None)
            case ProviderSwitched():
                pass
            case Waiting(provider=provider, until=until):
                self._growth += LARGE_CHANGE
                self._waiting = render.waiting_text(provider, self._time(until), self.reader)
            case _:
                assert_never(event)
        label = self._waiting or next(iter(self._running.values()), "")
        if label != self._label:
            self._label = label
            self._relabelled.set()
        self._changed.set()

    async def stop_streaming(self) -> None:
        """Show nothing further. An edit in flight is given a moment, so that none comes late."""
        self._ending.set()
        self._changed.set()
        if self._editing:
            await asyncio.wait(self._tasks, timeout=IN_FLIGHT_S)
        async with self._storing:
            await self.abandon()

    def final_rows(self, reply: str) -> tuple[NewOutbox, ...]:
        """Every message that must stand when the turn is over; call after `stop_streaming`."""
        parts = render.parts_of(reply, self._outlet.adapter, self.reader)
        rows = [self._final(part, body) for part, body in enumerate(parts.bodies)]
        rows += [self._surplus(part) for part in range(len(parts.bodies), len(self._posts))]
        return (*rows, *self._file(parts, len(rows)))

    def _file(self, parts: render.Parts, part: int) -> tuple[NewOutbox, ...]:
        """The whole text as a file, where it is longer than all messages together."""
        if parts.file is None:
            return ()
        file = outgoing.File(data=parts.file, name=render.FILE_NAME, mime="text/markdown")
        return (self._row(part, "final", "upload", outgoing.dump(file)),)

    def interim_rows(self, words: str) -> tuple[NewOutbox, ...]:
        """The words so far as messages that stay; what the turn says later stands below them."""
        parts = render.parts_of(words, self._outlet.adapter, self.reader)
        rows = []
        for part, body in enumerate(parts.bodies):
            content = outgoing.dump(self._content(part, body))
            if part < len(self._posts):
                rows.append(self._row(part, "final", "edit", content, target=self._posts[part]))
            else:
                rows.append(self._row(part, "anchor" if part == 0 else "part", "post", content))
        rows += [self._surplus(part) for part in range(len(parts.bodies), len(self._posts))]
        return (*rows, *self._file(parts, len(rows)))

    def go_on(self) -> None:
        """Show growth again after `stop_streaming`: the turn does not wait after all."""
        self._ending.clear()
        self.start()

    def rest(self) -> None:
        """Take the sign of life away: nothing is being made now."""
        if self._signed:
            self._outlet.rest(self._chat)

    async def abandon(self) -> None:
        """Leave the reply as it stands: the turn ends elsewhere or later."""
        self._ending.set()
        if not self._tasks:
            return
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for task in self._tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("t%d did not grow to its end", self._turn.turn_id, exc_info=error)
        self._tasks = []
        self._outlet.stream_ended()

    def _keep_step(self) -> None:
        if not self._words:
            return
        self._said.append("".join(self._words))
        self._words.clear()
        self._before = self._parsed()
        self._current = markup.StreamParser()

    def _parsed(self) -> Blocks:
        return markup.parse("\n\n".join(words.strip() for words in self._said))

    def _view(self) -> Blocks:
        body = (*self._before, *self._current.blocks())
        if self._outlet.adapter.capabilities.stream == "push":
            return body  # the sign of life stands beside it
        return render.live(body, self._label, self._waiting, self.reader)

    async def _show_growth(self) -> None:
        await self._first_words()
        while not self._ending.is_set():
            self._changed.clear()
            await self._show()
            if self._rate_limits >= RATE_LIMITS_BORNE:
                return
            await self._changed.wait()
            await self._pause()

    async def _first_words(self) -> None:
        """Wait for enough words to show, or long enough; not at all where pushing is free."""
        if self._posts or self._outlet.adapter.capabilities.stream == "push":
            return
        deadline = self._clock.monotonic() + ANCHOR_AFTER_S
        while not self._ending.is_set():
            now = self._clock.monotonic()
            due = deadline
            if self._first_word_at is not None and self._enough_words():
                due = min(deadline, self._first_word_at + GRACE_S)
            if now >= due:
                return
            self._changed.clear()
            await self._wait(self._changed, due - now)

    def _enough_words(self) -> bool:
        return len(plain_text(self._view())) >= ANCHOR_CHARACTERS

    async def _pause(self) -> None:
        """Keep the interval of now; a small change waits longer, for more to come."""
        interval = self._outlet.stream_interval(group=self._turn.grouped)
        if interval is None:
            await self._ending.wait()
            return
        interval = min(interval * self._slowed, max(interval, INTERVAL_MAX_S))
        await self._until(self._ending, self._edited_at + interval)
        if self._outlet.adapter.capabilities.stream == "push":
            return
        small_until = self._edited_at + SMALL_CHANGE_S
        while self._growth < LARGE_CHANGE and self._clock.monotonic() < small_until:
            if self._ending.is_set():
                return
            self._changed.clear()
            await self._until(self._changed, small_until)

    async def _until(self, event: asyncio.Event, moment: float) -> None:
        """Wait for an event, or until then."""
        left = moment - self._clock.monotonic()
        if left > 0:
            await self._wait(event, left)

    async def _show(self) -> None:
        view, self._growth = self._view(), 0
        bodies = tuple(islice(parts_of(view, self._outlet.adapter.fits), LIVE_PARTS))
        for part, body in enumerate(bodies):
            if self._ending.is_set():
                return
            if part >= len(self._posts):
                if not await self._post(part, body):
                    return
            elif self._shown[part] != body:
                await self._edit(part, body)
        self._edited_at = self._clock.monotonic()

    async def _post(self, part: int, body: Blocks) -> bool:
        """Store a placeholder or a further live part, then send it; False if it is known."""
        content = outgoing.dump(self._content(part, body))
        new = self._row(part, "anchor" if part == 0 else "part", "post", content)
        now = self._clock.now()
        async with self._storing:
            row = await self._store.write(
                lambda tx: outbox.insert(tx, new, now=now), transition=transitions.REPLY_BEGUN
            )
            if row is None:
                return False
            self._posts.append(row)
            self._ids.append(None)
            self._shown.append(body)
            posted = self._outlet.post(row)
        # Its id is kept even if nobody waits for it any more: growth may go on later.
        posted.add_done_callback(partial(self._stands, part))
        await asyncio.shield(posted)
        return True

    def _stands(self, part: int, posted: "asyncio.Future[str | None]") -> None:
        if not posted.cancelled():
            self._ids[part] = posted.result()

    async def _edit(self, part: int, body: Blocks) -> None:
        message_id = self._ids[part]
        if message_id is None:
            return
        self._editing = True
        try:
            if await self._outlet.stream_edit(self._posts[part], message_id, body):
                self._shown[part] = body
            else:
                self._again()
        except RateLimited:
            self._rate_limits += 1
            self._slowed *= 2
            self._again()
        finally:
            self._editing = False

    def _again(self) -> None:
        """What was not shown now is worth showing after the interval."""
        self._growth += LARGE_CHANGE
        self._changed.set()

    async def _sign_life(self) -> None:
        """Repeat the sign of life until words stand; beside pushed text until the turn ends."""
        can = self._outlet.adapter.capabilities
        if can.typing_refresh_s is None:
            return
        while (can.stream == "push" or not self._posts) and not self._ending.is_set():
            self._relabelled.clear()
            await self._outlet.sign(Typing(chat=self._chat, label=self._label))
            self._signed = True
            beside = can.stream == "push"
            await self._wait(self._relabelled if beside else self._ending, can.typing_refresh_s)

    def _final(self, part: int, body: Blocks) -> NewOutbox:
        content = outgoing.dump(self._content(part, body))
        if part < len(self._posts):
            return self._row(part, "final", "edit", content, target=self._posts[part])
        return self._row(part, "final", "post", content)

    def _surplus(self, part: int) -> NewOutbox:
        """Take back a live part the final text no longer fills."""
        if self._outlet.adapter.capabilities.delete:
            content = outgoing.dump(outgoing.Nothing())
            return self._row(part, "final", "delete", content, target=self._posts[part])
        content = outgoing.dump(outgoing.Words(body=markup.parse("(withdrawn)")))
        return self._row(part, "final", "edit", content, target=self._posts[part])

    def _content(self, part: int, body: Blocks) -> outgoing.Words:
        """In a group without threads the first part answers the message that asked."""
        first = part + self._turn.parts_before == 0
        quotes = first and self._turn.grouped and self._chat.thread_id is None
        return outgoing.Words(body=body, quote=self._turn.asked if quotes else None)

    def _row(
        self,
        part: int,
        purpose: Purpose,
        op: Op,
        content: str,
        target: OutboxRow | None = None,
    ) -> NewOutbox:
        stage = "final" if purpose == "final" else "post"
        return NewOutbox(
            dedupe_key=f"t{self._turn.turn_id}:{part + self._turn.parts_before}:{stage}",
            account=self._turn.account,
            chat=self._turn.reply_to,
            turn_id=self._turn.turn_id,
            part=part + self._turn.parts_before,
            purpose=purpose,
            op=op,
            target_id=target.id if target else None,
            content=content,
            nonce=self._clock.nonce(),
            line=f"s{self._turn.session_id}",
        )


def _in_utc(at: int) -> str:
    """A moment in UTC, to the minute."""
    return f"{datetime.fromtimestamp(at / 1_000_000, tz=UTC):%H:%M} UTC"


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, or for so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
