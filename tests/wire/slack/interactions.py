"""What people do beyond writing: press, choose, fill in forms, enter commands.

Each of it gives the app a trigger, which opens one modal within three seconds of this clock, and
presses and commands an address for answers. A modal stands before its person until it is closed,
or sent and acknowledged; while the app does not answer it stays, with Slack's words of regret.
"""

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.wire.slack import payloads
from tests.wire.slack.checks import Json, Refusal
from tests.wire.slack.controls import buttons, label_of, menus, question_of
from tests.wire.slack.transport import Delivery, Transport
from tests.wire.slack.views import INPUT_MAX, check_view, inputs
from tests.wire.slack.world import Message, World

RESPONSE_URL_USES = 5
RESPONSE_URL_LIFE_S = 1800.0
TRIGGER_LIFE_S = 3.0
NOT_IN_THREADS = "{} is not supported in threads. Sorry!"
REGRET = "We had some trouble connecting. Try again?"


@dataclass(slots=True)
class ResponseUrl:
    """Where an app may answer one press or command."""

    channel: str
    user: str
    ts: str | None
    uses: int = 0
    opened: float = 0.0


@dataclass(slots=True)
class _Trigger:
    user: str
    made: float
    used: bool = False


@dataclass(slots=True)
class Modal:
    """A form before one person; `values` is what stands in its fields, by block."""

    id: str
    user: str
    view: Json
    hash: str
    values: dict[str, str] = field(default_factory=dict)
    closed: bool = False
    sent: Delivery | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def stands(self) -> bool:
        """Whether the person can fill it in: it waits for no answer."""
        return not self.closed and (self.sent is None or self.sent.state == "lost")

    @property
    def warning(self) -> str:
        """What Slack says when the app did not take the form."""
        return REGRET if self.sent is not None and self.sent.state == "lost" else ""

    @property
    def title(self) -> str:
        """What stands above it."""
        return str(self.view["title"]["text"])

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its fields."""
        return tuple(str(block["label"]["text"]) for block in inputs(self.view))


class Interactions:
    """Presses, choices, modals and commands of everybody in one workspace."""

    def __init__(
        self,
        *,
        world: World,
        transport: Transport,
        url: Callable[[], str],
        clock: Callable[[], float],
        unexpected: Callable[[str], None],
    ) -> None:
        self.modals: list[Modal] = []
        self.responses: dict[str, ResponseUrl] = {}
        self._world = world
        self._transport = transport
        self._url = url
        self._clock = clock
        self._unexpected = unexpected
        self._triggers: dict[str, _Trigger] = {}
        self._numbers = itertools.count(1)

    # -- messages with controls

    def press(self, message: Message, *, user: str, label: str, value: str) -> Delivery:
        """A person presses a button and, where they are asked, says yes."""
        block, element = self.button(message, label=label, value=value)
        action = {
            "text": element["text"],
            "value": element.get("value"),
            "type": "button",
        }
        return self._act(message, user, block, element, action)

    def button(self, message: Message, *, label: str = "", value: str = "") -> tuple[Json, Json]:
        """The button with this label or value, and its block."""
        present = buttons([dict(block) for block in message.now.blocks])
        for block, element in present:
            if label in {"", label_of(element)} and value in {"", element.get("value")}:
                return block, element
        labels = [label_of(element) for _, element in present]
        raise AssertionError(f"no such button; there are {labels}")

    def choose(self, message: Message, *, user: str, option: str, value: str) -> Delivery:
        """A person chooses from a menu and, where they are asked, says yes."""
        present = menus([dict(block) for block in message.now.blocks])
        for block, element in present:
            for each in element["options"]:
                if option in {"", each["text"]["text"]} and value in {"", each["value"]}:
                    action: Json = {"type": element["type"], "selected_option": each}
                    if "placeholder" in element:
                        action["placeholder"] = element["placeholder"]
                    return self._act(message, user, block, element, action)
        known = [each["text"]["text"] for _, element in present for each in element["options"]]
        raise AssertionError(f"no such choice; there are {known}")

    def decline(self, message: Message, *, label: str) -> str:
        """A person presses a button and says no to its question; gives the question."""
        _, element = self.button(message, label=label)
        asked = question_of(element)
        assert asked, f"{label!r} asks nothing"
        return asked

    def _act(
        self, message: Message, user: str, block: Json, element: Json, action: Json
    ) -> Delivery:
        payload = payloads.act(
            self._world,
            self._world.channels[message.channel],
            message,
            user=user,
            action={
                "action_id": element.get("action_id", "a1"),
                "block_id": block.get("block_id", "b1"),
                "action_ts": f"{self._clock():.6f}",
                **action,
            },
            response_url=self._response_url(message.channel, user, message.ts),
            trigger_id=self._trigger(user),
        )
        return self._deliver(payload)

    # -- shortcuts and commands

    def shortcut(self, *, user: str, callback_id: str, message: Message | None) -> Delivery:
        """A person chooses a shortcut of the app, from anywhere or under a message."""
        url = self._response_url(message.channel, user, None) if message is not None else ""
        payload = payloads.shortcut(
            self._world,
            user=user,
            callback_id=callback_id,
            trigger_id=self._trigger(user),
            message=message,
            response_url=url,
            at=self._clock(),
        )
        return self._deliver(payload)

    def command(
        self, chat: str, *, user: str, text: str, name: str, thread: str | None = None
    ) -> Delivery:
        """A person enters a slash command; in a thread Slack itself refuses it."""
        assert thread is None, NOT_IN_THREADS.format(name)
        payload = payloads.command(
            self._world,
            self._world.channel(chat, user=user),
            user=user,
            name=name,
            text=text,
            response_url=self._response_url(chat, user, None),
            trigger_id=self._trigger(user),
        )
        ident = str(payload["trigger_id"])
        return self._transport.add(Delivery(id=ident, kind="slash_commands", payload=payload))

    # -- modals

    def open(self, arguments: Json) -> Json:
        """views.open: a modal for whom the trigger came from."""
        trigger = self._triggers.get(str(arguments.get("trigger_id", "")))
        if trigger is None:
            raise Refusal("invalid_trigger_id")
        if self._transport.now - trigger.made >= TRIGGER_LIFE_S:
            raise Refusal("expired_trigger_id")
        if trigger.used:
            raise Refusal("exchanged_trigger_id")
        view = self._named(check_view(arguments.get("view")))
        trigger.used = True
        modal = Modal(
            id=self._world.next_id("V"),
            user=trigger.user,
            view=view,
            hash=f"{self._clock():.0f}.{next(self._numbers):08d}",
        )
        for block in inputs(view):
            modal.values[block["block_id"]] = str(block["element"].get("initial_value", ""))
        self.modals.append(modal)
        return {"view": payloads.view(self._world, modal.id, view, modal.hash, {})}

    def _named(self, view: Json) -> Json:
        """A view whose blocks and inputs have ids; Slack makes those that were not given."""
        blocks = [{"block_id": f"made{next(self._numbers)}"} | block for block in view["blocks"]]
        for block in blocks:
            if block["type"] == "input":
                block["element"] = {"action_id": f"made{next(self._numbers)}"} | block["element"]
        return view | {"blocks": blocks}

    def standing(self, user: str) -> Modal:
        """The newest modal before a person."""
        found = [each for each in self.modals if each.user == user and each.stands]
        assert found, f"nothing stands before {user}"
        return found[-1]

    def submit(self, user: str, values: Mapping[str, str]) -> Delivery:
        """A person fills in fields, by label or block, and sends the form.

        What Slack's own client refuses raises AssertionError: an empty field that is required,
        or more characters than one takes.
        """
        modal = self.standing(user)
        blocks = {block["block_id"]: block for block in inputs(modal.view)}
        names = {block["label"]["text"]: name for name, block in blocks.items()}
        for name, value in values.items():
            assert name in blocks or name in names, f"no field {name!r}; there are {list(names)}"
            modal.values[name if name in blocks else names[name]] = value
        state: Json = {}
        for name, block in blocks.items():
            element, value = block["element"], modal.values[name]
            assert value.strip() or block.get("optional"), f"{name!r} is required"
            assert len(value) <= element.get("max_length", INPUT_MAX), f"{name!r} is too long"
            assert element.get("multiline") or "\n" not in value, f"{name!r} is one line"
            entry = {"type": "plain_text_input", "value": value or None}
            state[name] = {element["action_id"]: entry}
        payload = payloads.submission(
            self._world,
            user=user,
            view=payloads.view(self._world, modal.id, modal.view, modal.hash, state),
            trigger_id=self._trigger(user),
        )
        modal.sent = self._deliver(payload)
        return modal.sent

    def cancel(self, user: str) -> None:
        """A person closes the form; the app hears of it only if it asked to."""
        modal = self.standing(user)
        modal.closed = True
        if modal.view.get("notify_on_close"):
            self._unexpected("a view that asks to be told when it is closed")

    def answered(self, delivery: Delivery, status: int, answer: Any) -> None:
        """What the app's answer does to the modal that was sent."""
        modal = next((each for each in self.modals if each.sent is delivery), None)
        if modal is None or status != 200:
            return
        body = json.loads(answer or "{}") if isinstance(answer, str) else answer or {}
        match body.get("response_action"):
            case None | "clear":
                modal.closed = True
            case "errors":
                modal.sent, modal.errors = None, body["errors"]
            case other:
                self._unexpected(f"response_action {other}")

    # -- what an app is given

    def _deliver(self, payload: Json) -> Delivery:
        ident = str(payload["trigger_id"])
        return self._transport.add(Delivery(id=ident, kind="interactive", payload=payload))

    def _trigger(self, user: str) -> str:
        ident = self._world.next_id("trigger")
        self._triggers[ident] = _Trigger(user=user, made=self._transport.now)
        return ident

    def _response_url(self, channel: str, user: str, ts: str | None) -> str:
        ident = f"secret-{self._world.team}-{next(self._numbers)}"
        self.responses[ident] = ResponseUrl(
            channel=channel, user=user, ts=ts, opened=self._transport.now
        )
        return f"{self._url()}/response/{ident}"

    def usable(self, ident: str) -> ResponseUrl | None:
        """A response address that may still be used."""
        known = self.responses.get(ident)
        if known is None or known.uses >= RESPONSE_URL_USES:
            return None
        return known if self._transport.now - known.opened < RESPONSE_URL_LIFE_S else None
