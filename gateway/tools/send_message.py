"""The `send_message` tool: a message to a chat the operator has given a name.

The message is an outbox row, stored in one commit with the call's result under a key made of the
call's id: it leaves once, and in order, whatever dies.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from agent.errors import ToolError
from agent.messages import JsonObject
from agent.providers.base import ToolSpec
from agent.tools.arguments import checked
from agent.tools.base import (
    CallContext,
    EffectClass,
    Malformed,
    PreparedCall,
    RiskTag,
    ToolOutput,
    Verdict,
)
from gateway import outgoing, refs
from gateway.clock import Clock
from gateway.store.base import Tx
from gateway.store.records import outbox
from gateway.store.records.outbox import OutboxRow
from platforms.markup import parse

NAME: Final = "send_message"
TEXT_MAX: Final = 2_000
LABEL_MAX: Final = 80


class SendMessageTool:
    """A LocalTool over named chats.

    `destinations` are chats by name, as configuration writes them. `may_write` says of a name and
    a person whether that person's turns may write there; a clock's turns have no person.
    `account_of` gives the connected account of a platform, None where there is none.
    """

    def __init__(
        self,
        *,
        destinations: Mapping[str, str],
        account_of: Callable[[str], str | None],
        clock: Clock,
        may_write: Callable[[str, str], bool] = lambda _name, _person: True,
    ) -> None:
        self._destinations = dict(destinations)
        self._may_write = may_write
        self._account_of = account_of
        self._clock = clock
        self._stored: dict[str, OutboxRow] = {}
        self._properties: dict[str, dict[str, Any]] = {
            "to": {"type": "string", "description": f"One of: {self._names()}."},
            "text": {
                "type": "string",
                "maxLength": TEXT_MAX,
                "description": "The message, in Markdown.",
            },
        }

    @property
    def spec(self) -> ToolSpec:
        """What the model is shown."""
        return ToolSpec(
            name=NAME,
            description="Post a message in another chat, by its name. A person is asked first. "
            "To answer in this chat just write your reply.",
            parameters={
                "type": "object",
                "properties": self._properties,
                "required": ["to", "text"],
                "additionalProperties": False,
            },
        )

    def prepare(self, arguments: JsonObject) -> PreparedCall | Malformed:
        """Normalise one call; see Tool."""
        given = {**arguments}
        decided = given.pop("chat", None)
        complete = checked(given, self._properties, fields=("to", "text"), required=("to", "text"))
        if isinstance(complete, Malformed):
            return complete
        to, text = " ".join(complete["to"].split()), complete["text"].strip()
        if not text or not parse(text):
            return Malformed(text="The field 'text' is empty.")
        chat = self._destinations.get(to)
        if chat is None and not _is_raw(to):
            return Malformed(text=f"There is no destination {to!r}. There are: {self._names()}.")
        if decided not in (None, chat):
            return Malformed(text=f"{to!r} is another chat than was said.")
        label = f"{NAME}: to {to}"
        return PreparedCall(
            tool=NAME,
            operation="send",
            # Configuration may give the name to another chat: what is decided holds for this one.
            arguments={"to": to, "text": text} | ({"chat": chat} if chat else {}),
            effect=EffectClass.LOCAL,
            label=label if len(label) <= LABEL_MAX else label[: LABEL_MAX - 1] + "…",
            resource=f"{NAME}:{to}",
            default=Verdict.DENY if chat is None else Verdict.ASK,
            reason=f"chats are written to by name only; there are: {self._names()}"
            if chat is None
            else "it writes to people outside this chat",
            tags=frozenset({RiskTag.OUTWARD}),
            summary=f"posts {len(text)} characters to {to} ({chat})" if chat else "",
            matters=("to", "text"),
            editable=("text",),
        )

    async def inspect(
        self, call: PreparedCall, context: CallContext
    ) -> PreparedCall | Malformed | None:
        """Whether this person's turns may write there at all; see InspectingTool."""
        why = self._closed_to(call, context)
        return Malformed(text=why) if why else call

    async def run(self, call: PreparedCall, context: CallContext) -> ToolOutput:
        """Never: a local call is its `unit`, stored with its result."""
        raise ToolError("A message is stored together with its result.")

    def unit(self, call: PreparedCall, context: CallContext) -> Callable[[Any], ToolOutput]:
        """The call as one unit of work; see LocalTool. After its commit see `stored`."""
        to = call.arguments["to"]
        if why := self._closed_to(call, context):  # configuration may have changed since
            raise ToolError(why)
        row = self._row(call.arguments, context)
        now = self._clock.now()

        def apply(tx: Tx) -> ToolOutput:
            inserted = outbox.insert(tx, row, now=now)
            if inserted is not None:
                self._stored[context.call_id] = inserted
            return ToolOutput(text=f"The message to {to} is on its way.")

        return apply

    def stored(self, call_id: str) -> tuple[OutboxRow, ...]:
        """The row of a committed call, once, for delivery to take up now and not at next start."""
        row = self._stored.pop(call_id, None)
        return () if row is None else (row,)

    def _row(self, arguments: JsonObject, context: CallContext) -> outbox.NewOutbox:
        to, text = arguments["to"], arguments["text"]
        chat = self._destinations.get(to)
        if chat is None:
            raise ToolError(f"There is no destination {to!r}. There are: {self._names()}.")
        if chat != arguments.get("chat"):
            raise ToolError(f"{to!r} is another chat by now, so nothing was sent.")
        platform = chat.partition(":")[0]
        account = self._account_of(platform)
        if account is None:
            raise ToolError(f"{platform} is not connected, so nothing was sent.")
        try:
            refs.chat_from(chat, refs.account_from(account))
        except ValueError as exc:
            raise ToolError(f"The destination {to!r} is no chat of {platform}.") from exc
        return outbox.NewOutbox(
            dedupe_key=f"call:{context.call_id}",
            account=account,
            chat=chat,
            turn_id=None,
            part=0,
            purpose="send",
            op="post",
            target_id=None,
            content=outgoing.dump(outgoing.Words(body=parse(text))),
            nonce=self._clock.nonce(),
        )

    def _closed_to(self, call: PreparedCall, context: CallContext) -> str:
        to = call.arguments["to"]
        if to not in self._destinations or self._may_write(to, context.requester):
            return ""
        return (
            f"{to} is not open to whoever asked; only the people it names may have it written to."
        )

    def _names(self) -> str:
        return ", ".join(sorted(self._destinations)) or "none"


def _is_raw(to: str) -> bool:
    """Whether it is an id of a chat or person in place of a name."""
    return ":" in to or to.lstrip("-#@").isdigit() or to.startswith(("#", "@"))
