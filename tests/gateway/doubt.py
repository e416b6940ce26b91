"""A call that the end of a gateway leaves in doubt, and the gateways after it."""

import asyncio
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.messages import JsonObject, ToolResult, UserMessage
from agent.tools.base import CallContext, EffectClass, Malformed, PreparedCall, ToolOutput
from gateway import admission
from gateway.config.ids import parse_chat, parse_user
from gateway.config.values import AccessConfig, Config, GatewayConfig
from gateway.store.sqlite import SqliteStore
from platforms import blocks
from platforms.content import AnswerPress, Button, Edit, Post
from platforms.events import Author, MessageReceived
from tests.agent.scripted import ScriptedTool, call
from tests.gateway.core import Core, says
from tests.gateway.events import ANN, OUR_MENTION, TOPIC, in_group, message, press
from tests.gateway.hand_clock import HandClock
from tests.gateway.scripted_adapter import ScriptedAdapter

FAR = datetime(2030, 1, 1, tzinfo=UTC)
CAL = Author(id="1003", name="Cal")
CONFIG = Config(
    gateway=GatewayConfig(owners=(parse_user("telegram:1003"),)),
    access=AccessConfig(
        users=tuple(parse_user(f"telegram:{each}") for each in (1001, 1002, 1003)),
        chats=(parse_chat("telegram:-100200"),),
    ),
)


class Fatal:
    """What a `once` tool does: its first runs are cut by the end of the gateway."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.cuts = 1
        self.began = asyncio.Event()

    async def __call__(self, prepared: PreparedCall, context: CallContext) -> ToolOutput:
        self.ids.append(context.call_id)
        if self.cuts:
            self.cuts -= 1
            if not self.cuts:
                self.began.set()
            await asyncio.Event().wait()
        return ToolOutput(text="ran")


@dataclass(kw_only=True)
class Freely(ScriptedTool):
    """A tool that takes any arguments and calls itself what it likes."""

    says: str = "once: do"

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        return PreparedCall(
            tool=self.name,
            operation="do",
            arguments=arguments,
            effect=self.effect,
            label=self.says,
        )


class Story:
    """Gateways over one store, one after the other, on one platform that outlives them."""

    def __init__(self, store: SqliteStore, path: Path, clock: HandClock) -> None:
        self.store = store
        self.adapter = ScriptedAdapter()
        self.fatal = Fatal()
        self.tools: dict[str, Any] = {
            "once": ScriptedTool(name="once", effect=EffectClass.ONCE, does=self.fatal)
        }
        self.numbers = iter(range(100, 200))
        self.made: list[Core] = []
        self._path = path
        self.clock = clock

    def start(self) -> Core:
        """A gateway that is not connected yet."""
        core = Core(
            self.store,
            self._path,
            self.clock,
            config=CONFIG,
            tools=self.tools,
            adapter=self.adapter,
        )
        self.made.append(core)
        return core

    async def died(self, *calls: Any, event: Any = None, approve: bool = False) -> Core:
        """Take a message, begin its calls, end in the middle of one; the next gateway is up.

        `approve`: its calls ask, and are approved.
        """
        core = self.start()
        await core.connect()
        core.answers(says("Look.", calls=calls or (call("once"),)))
        await core.take(event or message("do it", number=1))
        if approve:
            (card,) = await self.cards()
            await self.press(card, "Approve once")
        await asyncio.wait_for(self.fatal.began.wait(), 60)
        return await self.restarted()

    async def restarted(self) -> Core:
        """End the gateway as it is and connect the next one."""
        await self.made[-1].close()
        core = self.start()
        await core.connect()
        return core

    async def cards(self, count: int = 1) -> list[Post]:
        """Wait until so many cards were posted."""

        def posted() -> list[Post]:
            performed = self.adapter.performed
            return [op for op in performed if isinstance(op, Post) and op.controls]

        await self.adapter.until(lambda: len(posted()) >= count)
        assert len(posted()) == count
        return posted()

    async def press(self, card: Post, label: str, author: Author = ANN) -> str:
        """Press a button of a card; what its presser reads."""
        core, number = self.made[-1], next(self.numbers)
        (button,) = [b for name, b in buttons(card).items() if name.startswith(label)]
        pressed = press(button.payload, number=number, chat=card.chat, author=author)
        token = replace(pressed.press, value=str(number), usable_until=FAR)
        await core.take(replace(pressed, press=token))
        await core.router.settled()
        (answer,) = [
            op
            for op in self.adapter.performed
            if isinstance(op, AnswerPress) and op.press.value == str(number)
        ]
        return answer.text

    async def restarted_with(self, *answers: str) -> Core:
        """Like `restarted`, with what the next gateway's model says."""
        await self.made[-1].close()
        core = self.start()
        core.answers(*answers)
        await core.connect()
        return core

    async def idle(self, event: Any) -> None:
        """Wait until nothing is left to be done now in the session of an event."""
        key = admission.session_key(event, CONFIG.sessions)
        async with asyncio.timeout(60):
            while self.made[-1].sessions.stoppable(key):
                await self.turns()

    async def waits(self, chat: str = "1001") -> None:
        """Wait until the turn waits for people: then its words so far stand."""
        await self.says("Look.", chat)

    async def ends(self, *states: tuple[str, str | None]) -> None:
        """Wait until every turn has ended, and compare how."""
        await self.made[-1].finish()
        assert await self.turns() == list(states), await self.turns()

    async def says(self, text: str, chat: str = "1001") -> None:
        """Wait until a text stands in a chat, also behind words of an earlier step."""
        await self.adapter.until(
            lambda: any(f"\n\n{each}".endswith(f"\n\n{text}") for each in self.adapter.shown(chat))
        )

    def results(self, request: int = 0) -> list[ToolResult]:
        """The results the present gateway's model read."""
        messages = self.made[-1].model.requests[request].messages
        return [m for m in messages if isinstance(m, ToolResult)]

    async def turns(self) -> list[tuple[str, str | None]]:
        """State and mark of every turn."""
        rows = await self.store.read(lambda tx: tx.rows("SELECT state, mark FROM turn ORDER BY id"))
        return [(state, mark) for state, mark in rows]

    async def decided(self) -> list[tuple[str, str | None]]:
        """What was decided of every call in doubt, and by whom, oldest first."""
        rows = await self.store.read(
            lambda tx: tx.rows(
                "SELECT request.state, request.decided_name FROM request"
                " JOIN card ON card.id = request.card_id WHERE card.kind = 'in_doubt'"
                " ORDER BY card.created_at, card.id"
            )
        )
        return [(state, by) for state, by in rows]

    async def stands(self, card: Post, *parts: str) -> None:
        """Wait until a card has no buttons and all of these words."""
        code = code_of(card)

        def over() -> bool:
            shown = [op for op in self.adapter.performed if isinstance(op, Edit)]
            mine = [op for op in shown if code in blocks.plain_text(op.body)]
            text = blocks.plain_text(mine[-1].body) if mine else ""
            return bool(mine) and not mine[-1].controls and all(part in text for part in parts)

        await self.adapter.until(over)


def people(core: Core, request: int = 0) -> list[str]:
    """What people said, as a model read it."""
    messages = core.model.requests[request].messages
    return [m.text for m in messages if isinstance(m, UserMessage)]


def buttons(card: Post) -> dict[str, Button]:
    """The buttons of a card by their labels, menus aside."""
    controls = (control for row in card.controls for control in row)
    return {each.label: each for each in controls if isinstance(each, Button)}


def code_of(card: Post) -> str:
    """The five characters that name a card."""
    found = re.search(r"\b[2-9A-Z]{5}\b", blocks.plain_text(card.body))
    assert found is not None
    return found[0]


def in_topic(text: str, *, number: int, author: Author = ANN) -> MessageReceived:
    """Words to us in a thread of several."""
    return in_group(text, chat=TOPIC, number=number, author=author, mentions=(OUR_MENTION,))
