"""The requests of one model call: what is sent of the transcript, and how it was adjusted."""

from dataclasses import replace

from agent import history
from agent.credentials import Lease
from agent.failover import Entry
from agent.folding import counted
from agent.memos import Memos
from agent.messages import (
    AssistantMessage,
    Message,
    ProviderPart,
    ToolResult,
    UserMessage,
)
from agent.model_room import ModelRoom
from agent.providers.base import EFFORTS, Adjustments, ModelRequest, ToolSpec
from agent.providers.rendering import has_keywords
from agent.recovery import Adjust, Sent


class Requests:
    """Builds the requests of one call; what it has learned of an entry ends with its stay there.

    `effort` is what the chat prefers, None if it has said nothing; `begun` are calls without a
    result that may have run.
    """

    def __init__(
        self,
        *,
        session: str,
        system: str,
        specs: tuple[ToolSpec, ...],
        room: ModelRoom,
        effort: str | None,
        begun: frozenset[str],
    ) -> None:
        self.cap: int | None = None
        """The output cap to ask with, where it is not the entry's own."""
        self.most: int | None = None
        """What the provider has said the cap may be at most here."""
        self.joined: tuple[Message, ...] = ()
        """What was said since the call began: it stands behind all that is asked with."""
        self.less = False
        """Whether to ask for one level less of thinking."""
        self._session = session
        self._system = system
        self._specs = specs
        self._room = room
        self._effort = effort
        self._begun = begun
        self._adjusted: Adjustments | None = None

    def forget(self) -> None:
        """Begin anew, on another entry."""
        self.cap, self.most, self.less, self._adjusted = None, None, False, None

    def build(
        self, entry: Entry, messages: tuple[Message, ...], *, first_byte_s: float | None = None
    ) -> ModelRequest:
        """The request as this entry takes it; `first_byte_s` is the limit of a trial."""
        request = ModelRequest(
            system=self._system,
            messages=self._seen(entry, messages),
            tools=self._specs,
            max_output_tokens=self.cap or entry.max_output_tokens,
            session=self._session,
            adjustments=replace(self._adjustments(entry), first_byte_s=first_byte_s),
        )
        return replace(request, input_tokens=counted(request, entry))

    def plain(self, entry: Entry, messages: tuple[Message, ...]) -> ModelRequest:
        """The request an entry would get that was not asked yet, for its price."""
        return ModelRequest(
            system=self._system,
            messages=self._seen(entry, messages),
            tools=self._specs,
            max_output_tokens=entry.max_output_tokens,
            session=self._session,
            adjustments=self._known(entry, self._next_label(entry)),
        )

    def for_key(self, request: ModelRequest, entry: Entry, lease: Lease) -> ModelRequest:
        """The request as this key may make it: not every one has the long window."""
        known = self._known(entry, lease.label)
        if known.long_context or not request.adjustments.long_context:
            return request
        return replace(request, adjustments=replace(request.adjustments, long_context=False))

    def adjust(self, adjust: Adjust, entry: Entry, lease: Lease | None) -> None:
        """Change the outgoing copy from now on, and remember what later calls should know."""
        lessened, self.less = self.less, False
        self._adjusted = replace(adjust.adjustments, first_byte_s=None)
        if adjust.cap is not None:
            self.cap = self.most = adjust.cap
        if adjust.remember and not lessened:  # what was lessened for once is no preference
            self._memos.keep(
                adjust.remember,
                entry.provider.origin,
                session=self._session,
                credential=lease.label if lease else "",
                adjustments=adjust.adjustments,
                now=self._room.clock(),
            )

    def most_output(self, entry: Entry) -> int | None:
        """What the cap may be raised to, as the entry and the provider have it."""
        known = [each for each in (entry.most_output_tokens, self.most) if each is not None]
        return min(known, default=None)

    def window(self, entry: Entry, lease: Lease | None) -> int:
        """The context window in tokens, as the last key that was used has it."""
        label = lease.label if lease else self._next_label(entry)
        now = self._room.clock()
        return self._memos.window(entry.provider.origin, label, entry.context_window, now)

    def sent(self, request: ModelRequest, entry: Entry) -> Sent:
        """What the outgoing copy held that a heal could take out."""
        origin, messages = entry.provider.origin, request.messages
        adjustments = request.adjustments
        own = any(
            isinstance(part, ProviderPart) and part.origin == origin
            for message in messages
            if isinstance(message, AssistantMessage)
            for part in message.parts
        )
        of_tools = any(isinstance(m, ToolResult) and m.media for m in messages)
        of_people = any(isinstance(m, UserMessage) and m.media for m in messages)
        return Sent(
            own_parts=own and adjustments.replay and adjustments.thinking,
            in_tool_loop=bool(messages) and isinstance(messages[-1], ToolResult),
            media=adjustments.media and (of_tools or of_people),
            tool_media=adjustments.tool_media and of_tools,
            keywords=adjustments.keywords
            and any(has_keywords(tool.parameters) for tool in request.tools),
            effort=adjustments.effort,
            cap=request.max_output_tokens,
            adjustments=adjustments,
        )

    def _seen(self, entry: Entry, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        seen = history.seen_by((*messages, *self.joined), entry.provider.origin)
        return history.repair(seen, self._begun)

    @property
    def _memos(self) -> Memos:
        return self._room.memos

    def _adjustments(self, entry: Entry) -> Adjustments:
        """What this call or an earlier one has learned that the entry needs."""
        if self._adjusted is None:
            self._adjusted = self._known(entry, self._next_label(entry))
        if self.less:
            return replace(self._adjusted, effort=_less(self._adjusted.effort))
        return self._adjusted

    def _next_label(self, entry: Entry) -> str:
        label = entry.credential.next_label(session=self._session, model=entry.model)
        return label or entry.name

    def _known(self, entry: Entry, credential: str) -> Adjustments:
        return self._memos.adjust(
            entry.provider.origin,
            session=self._session,
            effort=self._effort or entry.effort,
            now=self._room.clock(),
            credential=credential,
        )


def _less(effort: str | None) -> str:
    """One level below; the model's own preference counts as the middle."""
    place = EFFORTS.index(effort) if effort in EFFORTS else EFFORTS.index("medium")
    return EFFORTS[max(place - 1, 0)]
