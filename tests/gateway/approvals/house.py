"""Gateways over one store with a real desk: people who ask, decide and look on, and a clock."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.costs import FREE, Ceiling, Quote
from agent.failover import Entry
from agent.messages import ToolResult, Usage
from agent.model_room import ModelRoom
from agent.providers.base import ModelRequest
from agent.tools.base import Tool
from gateway import audit, refs
from gateway.chain import Entry as Audited
from gateway.chain import Intact
from gateway.command_lane import CommandLane
from gateway.config.ids import parse_chat, parse_user
from gateway.config.values import AccessConfig, ApprovalsConfig, Config, GatewayConfig
from gateway.delivery import Deliveries
from gateway.desk_assembly import Ground, access_desk, supervision
from gateway.desk_lane import DeskLane
from gateway.errors import StoreError
from gateway.ingest import Ingest, Stored
from gateway.notices import Notices
from gateway.router import Router
from gateway.sessions import Agent, Sessions
from gateway.store.base import Row, Store
from gateway.store.blobs import Blobs
from gateway.store.records import audit as audit_rows
from gateway.store.records import cards
from gateway.store.records.cards import Card, Request
from gateway.tongues import tongues_of
from platforms.content import (
    AnswerPress,
    Button,
    Controls,
    Edit,
    Menu,
    OpenForm,
    Operation,
    Outcome,
    Post,
)
from platforms.errors import PlatformError
from platforms.events import Author, ChatRef, FormSubmitted, MessageRef, PressToken, Receipt
from tests.agent.scripted import ScriptedProvider, Step, call, entry
from tests.gateway.approvals.house_tools import HouseTool, RemoteHouseTool, house_tools
from tests.gateway.core import at_once, says
from tests.gateway.events import (
    ANN,
    AT,
    BEN,
    DM,
    GROUP,
    OUR_MENTION,
    TELEGRAM,
    command,
    delivery,
    in_group,
    message,
    press,
)
from tests.gateway.fetching import files_over
from tests.gateway.hand_clock import HandClock
from tests.gateway.scripted_adapter import ScriptedAdapter

CAL = Author(id="1003", name="Cal")
DAN = Author(id="1004", name="Dan")
EVE = Author(id="1005", name="Eve")
BOT = Author(id="1006", name="Robo", kind="bot")
"""Ann asks, Ben and Eve approve, Cal owns, Dan looks on."""

FAR = datetime(2030, 1, 1, tzinfo=UTC)
KEY = b"k" * 32
NAMES = ("1001", "1002", "1003", "1004", "1005")

CONFIG = Config(
    gateway=GatewayConfig(owners=(parse_user("telegram:1003"),)),
    access=AccessConfig(
        users=tuple(parse_user(f"telegram:{each}") for each in NAMES),
        chats=(parse_chat("telegram:-100200"),),
    ),
    approvals=ApprovalsConfig(
        approvers=(parse_user("telegram:1002"), parse_user("telegram:1005")),
    ),
)


class DeskAdapter(ScriptedAdapter):
    """A scripted platform with forms, menus and roles, which remembers what can be pressed."""

    def __init__(self, **capabilities: Any) -> None:
        given: dict[str, Any] = {
            "private": "on_press",
            "form": "modal",
            "form_field_max": 3_000,
            "menu_options": 25,
            "buttons_per_row": 5,
            "rows": 5,
        }
        super().__init__(**given | capabilities)
        self.controls: dict[tuple[str, str], Controls] = {}
        self.holders: dict[str, frozenset[str]] = {}
        self.roles_down: PlatformError | None = None
        self.asked_roles = 0

    async def roles(self, person: str, chat: ChatRef, asked: frozenset[str]) -> frozenset[str]:
        self.asked_roles += 1
        if self.roles_down is not None:
            raise self.roles_down
        return asked & self.holders.get(person, frozenset())

    def _effect(self, operation: Operation) -> Outcome:
        outcome = super()._effect(operation)
        match operation:
            case Post(chat=chat, controls=controls):
                name = place(chat)
                self.controls[name, str(self._posted[name])] = controls
            case Edit(message=shown, controls=controls):
                self.controls[place(shown.chat), shown.message_id] = controls
            case _:
                pass
        return outcome


class Forgetful(ScriptedProvider):
    """A scripted model whose script can be taken back."""

    def forget(self) -> None:
        """What was not said yet is not said any more."""
        self._streams.clear()


@dataclass(slots=True)
class Flat:
    """What a model call costs, at most and in fact; of a cut one each token a micro-dollar."""

    ceiling: Ceiling = 0
    actual: int | None = 0

    def quote(self, request: ModelRequest) -> Quote:
        return FREE if self.ceiling == 0 else Quote(ceiling=self.ceiling, source="config")

    def spent(self, usage: Usage, *, cap: int | None = None) -> int | None:
        return self.actual

    def measured(self, request: ModelRequest) -> None:
        return None

    def spent_at_most(self, request: ModelRequest, *, written: int) -> int | None:
        return min(self.ceiling, written) if isinstance(self.ceiling, int) else None

    def learn(self, request: ModelRequest, usage: Usage) -> None:
        pass


@dataclass(kw_only=True)
class Shown:
    """A message that stands in a chat with buttons."""

    chat: str
    message_id: str
    text: str
    buttons: dict[str, Button] = field(default_factory=dict)

    def button(self, label: str) -> Button:
        """The button whose label begins so."""
        for name, button in self.buttons.items():
            if name.startswith(label):
                return button
        raise AssertionError(f"no {label!r} among {list(self.buttons)}")


class Core:
    """One run of the gateway."""

    def __init__(self, house: "House") -> None:
        self.house = house
        store, clock, config = house.store, house.clock, house.config
        self.failures: list[StoreError] = []
        self.deliveries = Deliveries(store=store, clock=clock)
        owners = config.gateway.owners
        tongues = tongues_of(config)
        self.notices = Notices(
            store=store, deliveries=self.deliveries, clock=clock, owners=owners, tongues=tongues
        )
        tools: dict[str, Tool] = {**house.tools, **house.brought}
        self.desk = supervision(
            config=config,
            store=store,
            clock=clock,
            deliveries=self.deliveries,
            notices=self.notices,
            tools=tools,
            zone=UTC,
            keys=(KEY,),
            wake=self._wake,
        )
        entries = house.entries or (entry(house.model, pricing=house.price),)
        self.sessions = Sessions(
            store=store,
            deliveries=self.deliveries,
            clock=clock,
            agent=Agent(
                entries=entries,
                tools=tools,
                desk=self.desk.turn_desk,
                busy="join",
                on_failure=self.failures.append,
                files=files_over(house.path, self.deliveries),
            ),
        )
        self.access = access_desk(
            self.desk,
            ground=Ground(config=config, store=store, clock=clock),
            account_of=lambda _: None,
            route=self._route,
            deliveries=self.deliveries,
        )
        self.commands = CommandLane(
            store=store,
            running=self.sessions,
            deliveries=self.deliveries,
            clock=clock,
            entries=entries,
            models=ModelRoom(sleep=at_once, jitter=lambda: 0.0),
            decisions=self.desk.turn_desk.decisions,
            desk=DeskLane(
                store=store,
                clock=clock,
                desk=self.desk.desk,
                grants=self.desk.grants,
                rules=self.desk.rules,
                roles=self.desk.roles,
                spending=self.desk.spending,
                deliveries=self.deliveries,
                freeze=self._freeze,
            ),
            access=self.access,
        )
        self.router = Router(
            store=store,
            sessions=self.sessions,
            commands=self.commands,
            deliveries=self.deliveries,
        )
        self.ingest = Ingest(
            store=store,
            blobs=Blobs(house.path / "blobs"),
            config=config,
            clock=clock,
            route=self.router.route,
            pairing=self.access.pairing,
            memberships=self.access.memberships,
            codes=self.access.codes,
            listed=self.access.listed,
            commit_limit_s=60,
        )

    def _route(self, stored: Stored) -> None:
        self.router.route(stored)

    def _wake(self, key: str) -> None:
        self.sessions.wake(key)

    async def _freeze(self, scope: str, by: str) -> None:
        self.sessions.stop_in(scope, by)
        self.desk.remote_jobs.look()

    async def connect(self) -> None:
        """Open the way out and take up what was stored."""
        adapter = self.house.adapter
        await self.deliveries.attach(adapter.account, adapter)
        await self.router.resume(refs.account_text(adapter.account))

    async def close(self) -> None:
        """Stop as the gateway does."""
        self.ingest.close()
        await self.sessions.drain(0)
        await self.router.settled()
        await self.notices.close()
        await self.deliveries.close(flush_s=1)


class House:
    """What a test of the desk stands on."""

    def __init__(self, store: Store, path: Path, clock: HandClock) -> None:
        self.store = store
        self.path = path
        self.clock = clock
        self.config = CONFIG
        self.tools: dict[str, HouseTool] = house_tools()
        self.adapter = DeskAdapter()
        self.model = Forgetful()
        self.price = Flat()
        self.entries: tuple[Entry, ...] = ()
        """Who is asked in place of the scripted model."""
        self.brought: dict[str, Tool] = {}
        """The tools they bring along."""
        self.core: Core | None = None
        self._numbers = iter(range(1, 1_000_000))

    # -- runs

    async def open(self) -> Core:
        """Begin a run and connect."""
        self.core = Core(self)
        await self.core.connect()
        return self.core

    async def restart(self) -> Core:
        """End the run as it is and begin the next one."""
        await self.shut()
        return await self.open()

    async def shut(self) -> None:
        """End the run as it is."""
        if self.core is not None:
            core, self.core = self.core, None
            await core.close()
            assert core.failures == []

    @property
    def now(self) -> Core:
        """The present run."""
        if self.core is None:
            raise AssertionError("no gateway runs")
        return self.core

    def configure(self, **approvals: Any) -> None:
        """Change `[approvals]` for the next run."""
        self.config = replace(self.config, approvals=replace(self.config.approvals, **approvals))

    def remote(self) -> RemoteHouseTool:
        """The tool whose work goes on elsewhere."""
        tool = self.tools["remote"]
        assert isinstance(tool, RemoteHouseTool)
        return tool

    # -- the model

    def model_says(self, *streams: tuple[Step, ...] | str) -> None:
        """Script the model's next streams; a string is a whole answer."""
        self.model.script(*(says(s) if isinstance(s, str) else s for s in streams))

    def model_calls(self, *calls: str, words: str = "Let me.", then: str = "All done.") -> None:
        """Let the model ask for calls, `NAME {arguments}` each, then answer."""
        made = tuple(
            call(name, rest or "{}") for name, _, rest in (c.partition(" ") for c in calls)
        )
        self.model_says(says(words, calls=made), then)

    def model_forgets(self) -> None:
        """Take back what the model was to say in turns that wait."""
        self.model.forget()

    # -- people

    def number(self) -> int:
        """The number of the next event."""
        return next(self._numbers)

    async def take(self, *events: Any) -> None:
        """Let events come in."""
        for event in events:
            assert await self.now.ingest(delivery(event)) is Receipt.STORED

    async def says(self, text: str, *, author: Author = ANN, chat: ChatRef = GROUP) -> None:
        """Let somebody write, and wait until nothing moves any more."""
        await self.take(self.words(text, author=author, chat=chat))
        await self.rest()

    def words(self, text: str, *, author: Author = ANN, chat: ChatRef = GROUP, **more: Any) -> Any:
        """What somebody writes to us."""
        number = self.number()
        if chat == DM:
            return message(text, number=number, author=author, **more)
        return in_group(
            text, chat=chat, number=number, author=author, mentions=(OUR_MENTION,), **more
        )

    async def asks(self, *calls: str, **more: Any) -> "Shown":
        """Let Ann ask for something that the model makes calls of; the card that follows."""
        self.model_calls(*calls, **more)
        await self.says("do it")
        return self.card()

    async def command(
        self, name: str, args: str = "", *, author: Author = ANN, chat: ChatRef = GROUP
    ) -> str:
        """Give a command; what it is answered with."""
        number = self.number()
        token = PressToken(kind="callback", value=f"v{number}", usable_until=FAR)
        event = command(name, args, number=number, chat=chat, author=author, press=token)
        await self.take(event)
        await self.rest()
        return self.answer(f"v{number}")

    def answer(self, value: str) -> str:
        """What was answered on a press."""
        (found,) = [
            op.text
            for op in self.adapter.performed
            if isinstance(op, AnswerPress) and op.press.value == value
        ]
        return found

    # -- cards as they stand

    def shown(self) -> list[Shown]:
        """Every message with buttons, oldest first."""
        found = []
        for (chat, ident), controls in self.adapter.controls.items():
            buttons: dict[str, Button] = {}
            for row in controls:
                for each in row:
                    options = each.options if isinstance(each, Menu) else (each,)
                    buttons |= {button.label: button for button in options}
            if buttons:
                text = self.adapter.chats[chat][ident]
                found.append(Shown(chat=chat, message_id=ident, text=text, buttons=buttons))
        return found

    def card(self, part: str = "") -> Shown:
        """The newest card that can be decided, or the one that holds a text."""
        found = [card for card in self.shown() if part in card.text]
        assert found, self.adapter.chats
        return found[-1]

    def texts(self, chat: str = "-100200") -> list[str]:
        """What stands in a chat."""
        return self.adapter.shown(chat)

    def text_of(self, shown: Shown) -> str:
        """What a message shows now."""
        return self.adapter.chats[shown.chat][shown.message_id]

    def event_of(self, button: Button, shown: Shown, author: Author) -> Any:
        """A press of a button."""
        number = self.number()
        chat = _chat(shown.chat)
        token = PressToken(kind="callback", value=f"v{number}", usable_until=FAR)
        made = press(button.payload, number=number, chat=chat, author=author)
        card = MessageRef(chat=chat, message_id=shown.message_id)
        return replace(made, card=card, press=token)

    async def press(self, label: str, *, author: Author = BEN, card: Shown | None = None) -> str:
        """Press a button and wait until nothing moves; what its presser reads."""
        shown = card or self.card()
        event = self.event_of(shown.button(label), shown, author)
        await self.take(event)
        await self.rest()
        opened = [
            op
            for op in self.adapter.performed
            if isinstance(op, OpenForm) and op.press.value == event.press.value
        ]
        return "(form)" if opened else self.answer(event.press.value)

    async def fill(self, author: Author = BEN, card: Shown | None = None, **values: str) -> str:
        """Send the form that was opened last; what whoever sent it reads."""
        opened = [op for op in self.adapter.performed if isinstance(op, OpenForm)][-1]
        number = self.number()
        shown = card or self.card()
        chat = _chat(shown.chat)
        token = PressToken(kind="callback", value=f"v{number}", usable_until=FAR)
        await self.take(
            FormSubmitted(
                account=TELEGRAM,
                chat=chat,
                reply_to=chat,
                author=author,
                delivery_key=f"d{number}",
                logical_key=f"l{number}",
                order=(number, 0),
                occurred_at=AT,
                form_id=opened.form.id,
                values=values,
                card=MessageRef(chat=chat, message_id=shown.message_id),
                press=token,
            )
        )
        await self.rest()
        return self.answer(f"v{number}")

    # -- time

    async def rest(self) -> None:
        """Wait until nothing moves: no press, no turn that can go on, nothing to send."""
        core = self.now
        async with asyncio.timeout(60):
            while True:
                await core.router.settled()
                busy = any(core.sessions.stoppable(key) for key in await self._keys())
                if not busy or self.model.waits.is_set():
                    for outlet in core.deliveries.outlets():
                        await outlet.flush()
                    if not await self._moves(core) or self.model.waits.is_set():
                        return
                if self.entries:  # another process is at work, and needs the processor
                    await asyncio.sleep(0.01)

    async def _moves(self, core: Core) -> bool:
        return any(core.sessions.stoppable(key) for key in await self._keys())

    async def _keys(self) -> list[str]:
        rows = await self.store.read(
            lambda tx: tx.rows(
                "SELECT DISTINCT key FROM session UNION SELECT DISTINCT session_key FROM inbox"
                " WHERE state = 'new' AND lane = 'turn'"
            )
        )
        return [str(row[0]) for row in rows]

    async def ticks(self, seconds: float) -> None:
        """Let time pass, and let the desk's clock and the poller look once."""
        self.clock.advance(seconds)
        await self.look()

    async def look(self) -> None:
        """Let the desk's clock and the poller look once."""
        core = self.now
        while await core.desk.desk_clock.look():
            pass
        await core.desk.remote_jobs.round()
        await self.rest()

    # -- rows

    async def rows(self, sql: str, *args: Any) -> list[Row]:
        """What stands in the store."""
        return await self.store.read(lambda tx: list(tx.rows(sql, *args)))

    async def one(self, sql: str, *args: Any) -> Any:
        """One value of the store."""
        ((value,),) = await self.rows(sql, *args)
        return value

    async def cards(self) -> list[tuple[Card, tuple[Request, ...]]]:
        """Every card with its items, oldest first."""

        def query(tx: Any) -> list[tuple[Card, tuple[Request, ...]]]:
            found = []
            for (ident,) in tx.rows("SELECT id FROM card ORDER BY created_at, id"):
                card = cards.get(tx, ident)
                assert card is not None
                found.append((card, cards.requests_of(tx, ident)))
            return found

        return await self.store.read(query)

    async def requests(self) -> list[Request]:
        """Every item of every card."""
        return [request for _, items in await self.cards() for request in items]

    async def states(self) -> list[str]:
        """The state of every item."""
        return [request.state for request in await self.requests()]

    async def turns(self) -> list[str]:
        """The state of every turn."""
        return [str(row[0]) for row in await self.rows("SELECT state FROM turn ORDER BY id")]

    async def calls(self) -> list[str]:
        """The state of every call."""
        rows = await self.rows("SELECT state FROM tool_call ORDER BY turn_id, step, ordinal")
        return [str(row[0]) for row in rows]

    async def held(self) -> int:
        """Micro-dollars that are put aside."""
        total = "SELECT COALESCE(SUM(amount), 0) FROM reservation WHERE state = 'held'"
        return int(await self.one(total))

    async def settled(self) -> int:
        """Micro-dollars that are booked."""
        total = "SELECT COALESCE(SUM(actual), 0) FROM reservation WHERE state <> 'held'"
        return int(await self.one(total))

    async def balance(self, scope: str) -> tuple[int, int]:
        """What is settled and held in all windows of a scope."""
        ((settled, held),) = await self.rows(
            "SELECT COALESCE(SUM(settled), 0), COALESCE(SUM(held), 0) FROM balance"
            " WHERE scope = ? OR substr(scope, 1, ?) = ?",
            scope,
            len(scope) + 1,
            f"{scope}:",
        )
        return int(settled), int(held)

    async def audited(self, kind: str = "") -> list[Audited]:
        """The rows of the audit, of one kind or all."""
        found = await self.store.read(audit_rows.page)
        return [each for each in found if kind in ("", each.link.kind)]

    async def audit_holds(self) -> None:
        """Follow the chain."""
        assert isinstance(await audit.verify(self.store), Intact)

    def results(self, request: int = -1) -> list[ToolResult]:
        """The results that a request to the model held."""
        messages = self.model.requests[request].messages
        return [m for m in messages if isinstance(m, ToolResult)]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait, operation by operation, until something holds."""
        await self.adapter.until(holds)


def place(chat: ChatRef) -> str:
    """A chat as the scripted platform names it."""
    return chat.chat_id if chat.thread_id is None else f"{chat.chat_id}/{chat.thread_id}"


def made_calls(*calls: str) -> tuple[Any, ...]:
    """Calls as a provider reports them, from `NAME {arguments}` each."""
    pieces = (each.partition(" ") for each in calls)
    return tuple(call(name, rest or "{}") for name, _, rest in pieces)


def _chat(name: str) -> ChatRef:
    chat, _, thread = name.partition("/")
    return ChatRef(account=TELEGRAM, chat_id=chat, thread_id=thread or None)
