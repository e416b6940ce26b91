"""What the commands of lane "now" do. They run beside a turn and never wait behind one."""

import logging
import math
from collections.abc import Awaitable, Callable

from agent.costs import dollars
from agent.failover import Entry
from agent.health import Breaker
from agent.model_room import ModelRoom
from gateway import commands, outgoing, refs, superseding
from gateway.access_lane import PRESSED, AccessDesk
from gateway.clock import Clock
from gateway.cron_lane import CronLane
from gateway.decisions import Decisions
from gateway.delivery import Deliveries
from gateway.desk_lane import DeskLane
from gateway.entitled import Standing
from gateway.own_lane import OwnLane
from gateway.past_lane import PastLane, choose
from gateway.presses import press_of
from gateway.serving import Serving, serving
from gateway.sessions import Sessions
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import cards, inbox, outbox, sessions, unowned
from gateway.store.records.inbox import Waiting
from gateway.words import sessions as said
from gateway.words.cron import NO_JOBS
from gateway.words.phrase import Phrase, Reader, reader_of
from gateway.words.replies import STOPPED_BEFORE
from platforms.blocks import plain_text
from platforms.content import AnswerPress
from platforms.markup import parse

log = logging.getLogger(__name__)


class CommandLane:
    """Carries out commands and answers whoever gave them, in private where that is possible."""

    def __init__(
        self,
        *,
        store: Store,
        running: Sessions,
        deliveries: Deliveries,
        clock: Clock,
        entries: tuple[Entry, ...],
        models: ModelRoom,
        decisions: Decisions,
        desk: DeskLane,
        access: AccessDesk,
        jobs: CronLane | None = None,
    ) -> None:
        """Without `jobs` nothing runs at certain times here."""
        self._store = store
        self._running = running
        self._deliveries = deliveries
        self._clock = clock
        self._entries = entries
        self._models = models
        self._decisions = decisions
        self._desk = desk
        self._access = access
        self._jobs = jobs
        self._handlers: dict[str, Callable[[Waiting], Awaitable[str]]] = {
            "help": self._help,
            "stop": self._stop,
            "status": self._status,
            "model": self._model,
            "whoami": self._whoami,
            **PastLane(store=store, running=running, clock=clock, reader=self._reader).handlers(),
            "cron": self._cron,
            **OwnLane(
                store=store,
                clock=clock,
                deliveries=deliveries,
                rights=desk.rights,
                reader=self._reader,
            ).handlers(),
            **desk.handlers(),
            **access.handlers(),
        }

    async def _cron(self, row: Waiting) -> str:
        reader = self._reader(row)
        return await self._jobs.handle(row, reader) if self._jobs else NO_JOBS.to(reader)

    async def handle(self, row: Waiting) -> None:
        """Carry out one stored command or press and settle its row."""
        try:
            if row.lane == "press":
                pressed = await self._pressed(row)
                if pressed is None:  # answered by a form
                    await self._store.write(
                        lambda tx: inbox.finish(tx, row.id), transition=transitions.COMMAND_DONE
                    )
                    return
                text = pressed
            else:
                text = await self._not_entitled(row) or await self._handlers[row.content.command](
                    row
                )
        except Exception:
            log.exception("command e%d failed", row.id)
            text = said.FAILED.to(self._reader(row), reference=f"e{row.id}")
        await self._answer(row, text)

    async def _pressed(self, row: Waiting) -> str | None:
        if row.content.args.startswith(PRESSED):
            return await self._access.pressed(row)
        return await self._desk.pressed(row)

    async def _answer(self, row: Waiting, text: str) -> None:
        if await self._answer_press(row, text):
            await self._store.write(
                lambda tx: inbox.finish(tx, row.id), transition=transitions.COMMAND_DONE
            )
            return
        now, private = self._clock.now(), self._is_private(row)
        if row.content.grouped and not private:
            text = await self._access.aloud(row, text)
        new = self._post(row, text, private=private)

        def unit(tx: Tx) -> outbox.OutboxRow | None:
            if not inbox.finish(tx, row.id) or not text or row.lane == "press":
                return None
            return outbox.insert(tx, new, now=now)

        stored = await self._store.write(unit, transition=transitions.COMMAND_DONE)
        if stored is not None:
            self._deliveries.enqueue((stored,))

    async def _answer_press(self, row: Waiting, text: str) -> bool:
        """Answer on the press itself; False where that can't be done (any more)."""
        outlet = self._deliveries.outlet(row.account)
        press = press_of(row.content, now=self._clock.now())
        if outlet is None or press is None:
            return False
        # What a press changed stands on its card; a command has no other sign that it is over.
        done = "" if row.lane == "press" else said.DONE.to(self._reader(row))
        words = plain_text(parse(text)) or done
        return await outlet.answer(AnswerPress(press=press, text=words))

    def _is_private(self, row: Waiting) -> bool:
        """Whether a post in a chat of several people is shown to one of them alone."""
        outlet = self._deliveries.outlet(row.account)
        return (
            row.content.grouped
            and outlet is not None
            and outlet.adapter.capabilities.private == "any"
        )

    def _post(self, row: Waiting, text: str, *, private: bool) -> outbox.NewOutbox:
        only_for = refs.person_id(row.content.author) if private else None
        return outbox.NewOutbox(
            dedupe_key=f"e{row.id}:answer",
            account=row.account,
            chat=row.content.reply_to,
            turn_id=None,
            part=0,
            purpose="command",
            op="post",
            target_id=None,
            content=outgoing.dump(outgoing.Words(body=parse(text), only_for=only_for)),
            nonce=self._clock.nonce(),
        )

    async def _not_entitled(self, row: Waiting) -> str:
        """Who may give a command, if whoever gave it may not."""
        command = commands.BY_NAME[row.content.command]
        tier = command.tier(args=row.content.args, shared=row.content.shared)
        if tier == "anyone":
            return ""
        standing = await self._desk.standing(row)
        if standing.owner or (tier == "approver" and standing.approver):
            return ""
        log.info("refused not_entitled: e%d by %s in %s", row.id, row.content.author, row.chat)
        return commands.not_entitled_text(command, tier, self._reader(row))

    def _reader(self, row: Waiting) -> Reader:
        return reader_of(row.content.language, self._deliveries.command_mark(row.account))

    async def _help(self, row: Waiting) -> str:
        """What whoever asks may use."""
        standing = await self._desk.standing(row, fresh=False)
        may = commands.usable(approver=bool(standing.approver), owner=standing.owner)
        return commands.help_text(row.content.args, reader=self._reader(row), of=may)

    async def _stop(self, row: Waiting) -> str:
        """Stop the session's turn, or the one about to begin; `all` also takes back what waits."""
        reader = self._reader(row)
        by = row.content.author_name or said.SOMEONE.to(reader)
        stopped = [key for key in await self._meant(row) if self._running.stop(key, by)]
        stopped += await self._mark_stopped(row.session_key, stopped, by)
        withdrawn = 0
        if row.content.args.strip().lower() == "all":
            withdrawn = await self._store.write(
                lambda tx: inbox.withdraw_session(tx, row.session_key),
                transition=transitions.WAITING_WITHDRAWN,
            )
        if withdrawn:
            phrase = said.WITHDRAWN if withdrawn > 1 else said.WITHDRAWN_ONE
            return phrase.to(reader, count=withdrawn)
        if stopped:
            return STOPPED_BEFORE.to(reader) if row.content.press_kind else ""
        return said.NOTHING_RUNS.to(reader)

    async def _mark_stopped(self, key: str, stopped: list[str], by: str) -> list[str]:
        """Store who stopped what runs, for a crash before it ends; end a wait for people.

        Where nothing was stopped here, a turn may be open all the same: nobody has taken it up
        since a restart. Returns the key of the session if its turn only waited, or was that one.
        """
        running = [t.turn_id for t in self._running.running() if t.session_key in stopped]

        def unit(tx: Tx) -> tuple[bool, tuple[outbox.OutboxRow, ...]]:
            for turn_id in running:
                unowned.mark_stopped(tx, turn_id, by)
            waiting = sessions.waiting_turn(tx, key)
            if waiting is None:
                return not stopped and unowned.mark_opened_stopped(tx, key, by), ()
            unowned.mark_stopped(tx, waiting.id, by)
            now = self._clock.now()
            return True, superseding.stop_pending(tx, waiting.id, by, self._decisions, now=now)

        ended, edits = await self._store.write(unit, transition=transitions.STOP_MARKED)
        self._deliveries.enqueue(edits)
        if not ended:
            return []
        self._running.wake(key)
        if not edits:
            self._running.stop(key, by)  # whoever took it up meanwhile did not read the mark
        return [key]

    async def _meant(self, row: Waiting) -> list[str]:
        """The session itself, or what runs for this person in the chat if it has nothing to stop.

        Native commands on some platforms can't be given inside the thread they are about. An
        approver of whom nothing runs there means what others have asked for.
        """
        if self._running.stoppable(row.session_key):
            return [row.session_key]
        here = f"{row.account}|{row.chat}"
        below = [
            turn
            for turn in self._running.running()
            if turn.session_key.startswith((f"{here}/", f"{here}|"))
        ]
        own = [turn.session_key for turn in below if turn.requester == row.content.author]
        if own or not below:
            return own
        standing = await self._desk.standing(row)
        return [turn.session_key for turn in below] if standing.approver else []

    async def _status(self, row: Waiting) -> str:
        reader, session = self._reader(row), await self._session(row)
        turns = self._running.running()
        here = [turn for turn in turns if turn.session_key == row.session_key]
        waiting = await self._store.read(lambda tx: len(inbox.waiting_in(tx, row.session_key)))
        place = row.content.reply_to or row.chat
        asked = await self._store.read(lambda tx: cards.pending_in_chat(tx, row.account, place))
        amount = await self._desk.spent_today(row)
        now = said.STATUS_BUSY if here else said.STATUS_IDLE
        lines = [
            said.STATUS_MODEL.to(reader, model=self._entry(session).model),
            *self._resting(self._entry(session), reader),
            said.STATUS_TURNS.to(reader, count=session.turns if session else 0),
            now.to(reader, count=waiting),
        ]
        if len(turns) > len(here):
            lines.append(said.STATUS_ELSEWHERE.to(reader, count=len(turns) - len(here)))
        if asked:
            lines.append(said.STATUS_CARDS.to(reader, count=len(asked)))
        if amount:
            lines.append(said.STATUS_SPENT.to(reader, amount=dollars(amount)))
        return "\n".join(lines)

    def _resting(self, primary: Entry, reader: Reader) -> list[str]:
        """Who rests, why and for how long, and who answers in place of the primary."""
        found = serving(self._entries, self._models, {})
        lines = []
        for each in found:
            if each.breaker == Breaker.OPEN.value:
                left = math.ceil(each.rests_s or 0.0)
                told = said.RESTS.to(reader, model=each.model, seconds=left, cause=each.cause)
                lines.append(told)
            elif not each.ready:
                lines.append(_without_key(each, self._clock.now(), reader))
        at = next((each for each in found if each.entry == primary.name), None)
        other = next((each for each in found if each.is_well), None)
        if at is not None and not at.is_well and other is not None:
            lines.append(said.ANSWERS_MEANWHILE.to(reader, model=other.model))
        return lines

    async def _model(self, row: Waiting) -> str:
        """Show the choice, or make a provider this session's primary."""
        name, reader = row.content.args.strip(), self._reader(row)
        session = await self._session(row)
        if not name:
            chosen, this = self._entry(session), said.THIS_SESSION.to(reader)
            lines = [
                f"- {'**' if entry is chosen else ''}`{entry.name}`: {entry.model}"
                f"{f'** {this}' if entry is chosen else ''}"
                for entry in self._entries
            ]
            return "\n".join([*lines, "", said.MODEL_USAGE.to(reader)])
        known = next((e for e in self._entries if name in (e.name, e.model)), None)
        if known is None and name != "default":
            names = ", ".join(f"`{entry.name}`" for entry in self._entries)
            return said.NO_MODEL.to(reader, name=name, names=names)
        choice = known.name if known else None
        await self._store.write(
            lambda tx: choose(tx, row, "model", choice, now=self._clock.now()),
            transition=transitions.MODEL_CHOSEN,
        )
        return said.MODEL_CHOSEN.to(reader, model=(known or self._entries[0]).model)

    async def _whoami(self, row: Waiting) -> str:
        """Ids, what they are linked to, and what that makes its reader here."""
        reader, person = self._reader(row), row.content.author
        linked = [f"`{each}`" for each in self._desk.rights.people.linked(person) if each != person]
        rights = _rights(await self._desk.standing(row, fresh=False))
        return "\n".join(
            [
                said.WHO_YOU.to(reader, person=person),
                *([said.WHO_LINKED.to(reader, linked=", ".join(linked))] if linked else ()),
                said.WHO_RIGHTS.to(reader, rights=rights.to(reader)),
                said.WHO_CHAT.to(reader, chat=row.chat),
                said.WHO_SESSION.to(reader, key=row.session_key),
            ]
        )

    async def _session(self, row: Waiting) -> sessions.SessionInfo | None:
        return await self._store.read(lambda tx: sessions.current(tx, row.session_key))

    def _entry(self, session: sessions.SessionInfo | None) -> Entry:
        chosen = session.settings.get("model") if session else None
        return next((e for e in self._entries if e.name == chosen), self._entries[0])


def _rights(standing: Standing) -> Phrase:
    if standing.owner:
        return said.OWNER
    if standing.approver is None:
        return said.NOBODY_CAN_TELL
    return said.APPROVER if standing.approver else said.MEMBER


def _without_key(entry: Serving, now: int, reader: Reader) -> str:
    """Why a model has no key to be asked with, and until when."""
    if entry.keys_rest_until is None:
        return said.NO_KEY.to(reader, model=entry.model)
    left = max(1, math.ceil((entry.keys_rest_until - now) / 60_000_000))
    return said.KEY_RESTS.to(reader, model=entry.model, minutes=left)
