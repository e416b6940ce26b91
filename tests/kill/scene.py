"""One story at one surface: a victim that dies in it, a gateway after it, and what is left."""

import asyncio
import json
import signal
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import aiohttp

from gateway import render
from gateway.app import Gateway
from gateway.cli.asking import ask
from gateway.config import load
from gateway.control_requests import (
    AskStatus,
    KeepLogin,
    MakeOwnerCode,
    Request,
    SendText,
    TriggerJob,
)
from gateway.equipment import providers
from gateway.errors import GatewayError
from gateway.store.base import Store
from gateway.store.records.earlier import HEAD
from tests.generous import generous
from tests.kill import books, requests
from tests.kill.effects import ASKED, NEVER_TWICE, STAMP, charged, counting_tools, runs
from tests.kill.nursery import Child, born
from tests.kill.people import Person
from tests.kill.verdict import Ending, Whole, fit, is_placeholder_or_repeat, without_asides
from tests.kill.victim import Moment, WatchedStore
from tests.scenarios.cards import is_card
from tests.scenarios.stage import KEY, Stage
from tests.wire.openai import OpenAIServer, Reply
from tests.wire.openai.script import Script, usage_of
from tests.wire.openai.server import TRANSCRIBE

if TYPE_CHECKING:
    from tests.kill.story import Story

WAIT_S = 60.0
LATE_S = 60.0
"""From the last thing people see of a story to the last write it makes."""

GREETING, PARTING = "good day", "that was all"
GREETED, PARTED = "The day is good, and so is the answer.", "It was, and this is the end of it."

READ_MICROS, WRITTEN_MICROS = 2, 8
"""What a token costs, in micro-dollars, which is dollars per million tokens."""

HEARD_MICROS = 1_000
"""What a second of speech costs."""

MODEL_PRICE = f"""
max_output_tokens = 4000
price = {{ input = {READ_MICROS}, output = {WRITTEN_MICROS} }}
"""

SURE = "Yes"

Model = Callable[["Scene", tuple[str, ...], bool], Script]


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """Where the gateway dies: around the nth write of that name."""

    transition: str
    moment: Moment
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.moment} {self.transition} {self.nth}"


class Scene(Stage):
    """`async with Scene(...) as scene: problems = await scene.run(...)`."""

    def __init__(self, person: Person, story: "Story", path: Path) -> None:
        super().__init__(
            person,
            path=path,
            sessions=story.sessions,
            price=MODEL_PRICE,
            extra=story.config.replace("{python}", sys.executable).replace("{path}", str(path)),
            owners=(person.me,) if story.told else (),
        )
        self.model = OpenAIServer(key=KEY, default=self._reply)
        self.person = person
        self.story = story
        self.hold = asyncio.Event()
        self.effects = path / "effects"
        self.extra: tuple[str, ...] = ()
        self.billed = 0
        self._armed = path / "armed"
        self._log = path / "victim.log"
        self._victim: Child | None = None
        self._gateway: Gateway | None = None
        self._deaths = 0
        self._up = asyncio.Event()
        self._written = asyncio.Event()
        self._hearing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Write the configuration; who runs by it comes later."""
        file = self.path / "gatepost.toml"
        file.write_text(self._config().replace("{model}", self.model.base_url))
        file.chmod(0o600)

    async def run(self, *deaths: Death) -> list[str]:
        """Play the story through these deaths; returns what is wrong in the end."""
        await self._begin(deaths[0])
        playing = asyncio.create_task(self.story.play(self))
        try:
            for death in deaths[1:]:
                await self._dies(playing)
                await self._spawn(death)
            await self._dies(playing)
            self.hold.set()
            await self._live_on()
            async with asyncio.timeout(WAIT_S):
                await playing
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
        await self.person.arrived()
        await self._idles()
        await self.person.say(PARTING)
        await self.sees(PARTED)
        await self._rest()
        return self._problems()

    async def sees(self, *phrases: str, at: Any = None) -> str:
        """Wait until some text in the chat holds one of these phrases, however it is broken."""

        await self.until(lambda: bool(self._standing(*phrases)), timeout=WAIT_S)
        return self._standing(*phrases)

    def _standing(self, *phrases: str) -> str:
        texts = (" ".join(text.split()) for text in self.person.shown())
        return next((t for t in texts if any(" ".join(p.split()) in t for p in phrases)), "")

    async def decide(self, words: str, **presses: str) -> str:
        """Press on every card that opens, once each, until some text holds these words.

        `presses` name the button by the kind of card: approval, question, limit, in_doubt. What
        asks for a second word gets it.
        """
        done: set[tuple[str, str]] = set()
        async with asyncio.timeout(WAIT_S):
            while True:
                position = self.person.position
                if found := self._standing(words):
                    return found
                for card in self.person.cards():
                    meant = presses.get(requests.kind_of(card.text), "")
                    for label in (SURE, meant) if meant else ():
                        can = any(each.startswith(label) for each in (*card.buttons, *card.choices))
                        if can and (card.code, label) not in done:
                            done.add((card.code, label))
                            await self.person.choose(card, label)
                            break
                if self.person.position == position:
                    await self.person.changed(position)

    async def holds(self, query: str) -> None:
        """Wait, write by write, until the database answers this query with a row."""
        async with asyncio.timeout(WAIT_S):
            while True:
                self._written.clear()
                with closing(sqlite3.connect(self._database)) as database:
                    if database.execute(query).fetchone() is not None:
                        return
                await self._written.wait()

    def age(self, change: str) -> None:
        """Let time pass for some rows: what is due by now can't be waited for."""
        with closing(sqlite3.connect(self._database, timeout=WAIT_S)) as database, database:
            database.execute(change)

    async def present(self) -> None:
        """Wait until ann is at a gateway that runs."""
        await self._up.wait()

    async def send(self, text: str, *, chat: str = "") -> None:
        """Let the operator send words to a chat, until the gateway says that they are stored."""
        address = chat or self.person.address
        await self._ask(SendText(chat=address, text=text, key="the-operators-word"))

    async def trigger(self, job: str, *, key: str) -> None:
        """Let the operator run a job, until the gateway says that its run is stored."""
        await self._ask(TriggerJob(name=job, key=key, data=""))

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send a request to the gateway's web listener until it is answered; the status."""
        while True:
            await self._up.wait()
            url = f"http://127.0.0.1:{self.person.port}{path}"
            try:
                async with aiohttp.request("POST", url, data=body, headers=headers) as response:
                    return response.status
            except aiohttp.ClientError:
                self._up.clear()

    async def log_in(self) -> None:
        """Let the operator log in to an account, until the gateway says that it is kept."""
        await self._ask(
            KeepLogin(
                service="codex",
                account="",
                access="the-access-token",
                refresh="the-refresh-token",
                expires_at=0,
                owner="",
            )
        )

    async def owner_code(self) -> str:
        """Let the operator make a code for an owner, until the gateway tells one."""
        made = await self._ask(MakeOwnerCode())
        return str(made["code"])

    async def _ask(self, request: Request) -> Any:
        while True:
            await self._up.wait()
            try:
                return await asyncio.to_thread(ask, self.path / "state", request)
            except GatewayError:
                self._up.clear()

    def terminate(self) -> None:
        """Send the victim SIGTERM, if it still lives."""
        assert self._victim is not None
        self._victim.send_signal(signal.SIGTERM)

    def order(self, line: str) -> None:
        """Tell the victim to do something, if it still lives."""
        assert self._victim is not None
        self._victim.order(line)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._victim is not None and self._victim.returncode is None:
            self._victim.send_signal(signal.SIGKILL)
            await self._victim.wait()
        if self._hearing is not None:
            await self._hearing
        await self._rest()
        if kind is not None:
            await self._strike()
            return
        await self.person.close()
        await self.model.__aexit__(None, None, None)

    # The lives of the gateway.

    async def _begin(self, death: Death) -> None:
        """The victim runs and has spoken with ann once, so that it knows the chat.

        One that is to die in its first start has not.
        """
        if self.story.newborn:
            self._armed.touch()
        await self._spawn(death)
        if self.story.newborn:
            return
        await self.person.say(GREETING)
        await self.sees(GREETED)
        await self._idles()
        self._armed.touch()

    async def _spawn(self, death: Death) -> None:
        """Start a victim; back at it, unless it dies while it starts."""
        with self._log.open("ab") as log:
            arguments = (
                str(self.path / "gatepost.toml"),
                death.transition,
                death.moment,
                str(death.nth),
                f"--armed={self._armed}",
                f"--effects={self.effects}",
            )
            self._victim = await born(arguments, log)
        while line := await self._victim.stdout.readline():
            if line == b"ready\n":
                self._hearing = asyncio.create_task(self._hear(self._victim.stdout))
                await self._return()
                return
        if await self._victim.wait() != -signal.SIGKILL:
            raise AssertionError(f"the victim did not start:\n{self._log.read_text()}")

    async def _idles(self) -> None:
        """Wait, write by write, until nothing is open or on its way."""
        async with asyncio.timeout(WAIT_S):
            while True:
                self._written.clear()
                status = await asyncio.to_thread(ask, self.path / "state", AskStatus())
                leaving = status["outbox"].get("pending", 0) + status["outbox"].get("in_flight", 0)
                if not (leaving or status["running"] or sum(status["waiting"].values())):
                    return
                await self._written.wait()

    async def _return(self) -> None:
        """Let ann come to the gateway, unless it dies before she is there."""
        meet = self.person.come_back if self._deaths else self.person.meet
        meeting = asyncio.create_task(meet(self))
        dying = asyncio.create_task(self._gone())
        await asyncio.wait((meeting, dying), return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        if not meeting.done():
            meeting.cancel()
            await asyncio.wait((meeting,))
            return
        if meeting.exception() is not None and self._gateway is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(LATE_S):
                    await self._gone()
                    return
        meeting.result()
        self._up.set()

    async def _gone(self) -> None:
        assert self._victim is not None
        if self._gateway is not None:
            await asyncio.Event().wait()  # the victim died long ago
        await self._victim.wait()

    async def _hear(self, stdout: asyncio.StreamReader) -> None:
        while await stdout.readline():
            self._written.set()

    async def _dies(self, playing: "asyncio.Task[None]") -> None:
        """Wait for the victim's death, which must come before long after the story's end."""
        assert self._victim is not None
        dying = asyncio.create_task(self._victim.wait())
        await asyncio.wait((dying, playing), timeout=WAIT_S, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            playing.result()
        with suppress(TimeoutError):
            async with asyncio.timeout(LATE_S):
                await dying
        if self._victim.returncode != -signal.SIGKILL:
            chat = self.person.shown()
            log = self._log.read_text()
            raise AssertionError(f"the write was never reached; shown: {chat}\n{log}")
        self._deaths += 1

    async def _live_on(self) -> None:
        """The plain gateway over the same directory, at the same servers."""
        config = load(self.path / "gatepost.toml", {})
        self._gateway = Gateway(
            config,
            wrap_store=self._watched,
            extra_tools=counting_tools(self.effects),
            budgets=generous,
        )
        self.running = await self._gateway.start(await providers(config))
        await self._return()

    def _watched(self, store: Store) -> Store:
        return WatchedStore(store, before=lambda _: None, after=lambda _: self._written.set())

    async def _rest(self) -> None:
        """Stop as on SIGTERM: what is open is finished, what is queued leaves."""
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            await gateway.stop()

    # The model.

    @property
    def _database(self) -> Path:
        return self.path / "state" / "gatepost.db"

    def _reply(self, request: Mapping[str, Any]) -> Script:
        """The model's answer, with its bill: every request is charged for, whatever is read."""
        reply = self._words(request)
        if not isinstance(reply, Reply):
            return reply
        counted = usage_of(replace(reply, usage=None), request)
        usage = {**counted, **(reply.usage or {})}
        read, written = usage["prompt_tokens"], usage["completion_tokens"]
        self.billed += read * READ_MICROS + written * WRITTEN_MICROS
        return replace(reply, usage={**usage, "total_tokens": read + written})

    def _words(self, request: Mapping[str, Any]) -> Script:
        said, tools_ran = news(request["messages"])
        if said and GREETING in said[-1]:
            return Reply(deltas=(GREETED,))
        if said and PARTING in said[-1]:
            return Reply(deltas=(PARTED,))
        return self.story.reply(self, said, tools_ran)

    # What is left.

    def _problems(self) -> list[str]:
        shown = [text for text in self.person.shown() if not is_card(text)]
        allowed = self._deaths if self.person.doubles else 0
        asides, at_most = self.story.asides, self.person.given
        rest, problems = without_asides(
            shown,
            asides,
            at_most=at_most,
            extra=allowed,
            extra_answers=self._deaths if self.person.private_answers else 0,
        )
        whole = [_between(each, greeted=not self.story.newborn) for each in self.story.endings]
        found = fit(rest, whole, extra=allowed)
        if found is None:
            return [*problems, f"the chat reads {shown}"]
        self.extra = found.extra
        states = self.person.ever_shown() if found.extra else []
        for text in found.extra:
            if not is_placeholder_or_repeat(text, states, render.WORKING):
                problems.append(f"{text!r} is no placeholder and no repeat")
        calls = len(self.model.asked)
        if calls > found.ending.calls + self._deaths:
            problems.append(f"{calls} model calls instead of {found.ending.calls}")
        problems += self._wrong_rows(found.ending)
        return [*problems, *self._wrong_effects(), *self._wrong_cards(), *self._wrong_books()]

    def _wrong_cards(self) -> list[str]:
        stored = requests.read(self._database)
        cards = [card for card in self.person.cards() if card.code]
        shown = [(card.code, card.text, card.is_open) for card in cards]
        extra = self._deaths if self.person.doubles else 0
        return requests.problems(stored, shown, extra=extra)

    def _wrong_books(self) -> list[str]:
        found = books.read(self._database)
        problems = found.problems({**books.LIMITS, **self.story.limits})
        heard = len(self.model.requests(TRANSCRIBE)) * self.model.spoken_seconds
        billed = self.billed + heard * HEARD_MICROS
        if billed > found.of("model"):
            problems.append(f"the model charged {billed}, covered is {found.of('model')}")
        problems += books.uncovered(self._database, charged(self.effects))
        problems += books.untold(self._database)
        return problems + books.unapproved(self._database, runs(self.effects), ASKED)

    def _wrong_rows(self, ending: Ending) -> list[str]:
        problems = []
        with closing(sqlite3.connect(self._database)) as database:
            turns = database.execute("SELECT COUNT(*) FROM turn").fetchone()[0]
            if turns != ending.turns:
                problems.append(f"{turns} turns instead of {ending.turns}")
            died = [row for row in database.execute(_DIED) if row[0] not in self.story.dies_at]
            if died:
                problems.append(f"rows that died: {json.dumps(died)}")
            for what, query in _UNFINISHED.items():
                if rows := database.execute(query).fetchall():
                    problems.append(f"{what}: {json.dumps(rows)}")
            if self.story.leaves and database.execute(self.story.leaves).fetchone() is None:
                problems.append(f"does not hold: {self.story.leaves}")
            if not self.person.doubles and (rows := database.execute(_UNKNOWN).fetchall()):
                problems.append(f"nobody knows of: {json.dumps(rows)}")
        return problems

    def _wrong_effects(self) -> list[str]:
        counted = runs(self.effects)
        twice = [
            call for (name, call), times in counted.items() if name in NEVER_TWICE and times > 1
        ]
        keys = {call for name, call in counted if name == STAMP}
        problems = [f"{call} took effect twice" for call in twice]
        if len(keys) > 1:
            problems.append(f"one call has the keys {keys}")
        return problems


_UNFINISHED = {
    "events that wait": "SELECT id, state, lane FROM inbox WHERE state IN ('new', 'claimed')",
    "turns that are open": "SELECT id, state FROM turn WHERE state IN ('open', 'waiting')",
    "calls that are open": "SELECT id, tool, state FROM tool_call WHERE state IN"
    " ('proposed', 'allowed', 'asked', 'approved', 'intent', 'running')",
    "work that goes on": "SELECT call_id, state FROM remote_job WHERE state <> 'ended'",
    "rows that wait": "SELECT id, op, state FROM outbox WHERE state IN ('pending', 'in_flight')",
}
_DIED = "SELECT purpose, op, reason FROM outbox WHERE state = 'dead'"
_UNKNOWN = "SELECT id, op, reason FROM outbox WHERE state = 'unknown'"


def news(messages: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], bool]:
    """What people said since the last answer, and whether tools ran for it.

    Words that were never answered come in one message with those after them; what was said before
    them in a group is no news.
    """
    said: list[str] = []
    tools_ran = False
    for message in reversed(messages):
        if message["role"] == "user":
            told = message["content"].split("\n\n")
            said.extend(each for each in reversed(told) if not each.startswith(HEAD))
        elif message["role"] == "tool":
            tools_ran = True
        elif not message.get("tool_calls"):
            break
    return tuple(reversed(said)), tools_ran


def _between(ending: Ending, *, greeted: bool) -> Ending:
    """The ending with the greeting before it, if there was one, and the parting behind."""
    before = (Whole(words=GREETED),) if greeted else ()
    return Ending(
        texts=(*before, *ending.texts, Whole(words=PARTED)),
        calls=ending.calls + len(before) + 1,
        turns=ending.turns + len(before) + 1,
    )
