"""What an adapter is: a way in (Source), a way out (Sink), and its abilities as data."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from aiohttp import web

from platforms.blocks import Blocks
from platforms.content import Operation, Outcome, Post, Upload
from platforms.events import (
    Account,
    Attachment,
    ChatRef,
    Delivery,
    Gap,
    Liveness,
    MessageRef,
    PlatformName,
    Receipt,
    Said,
)
from platforms.files import Location
from platforms.pacing import Budget

Ingest = Callable[[Delivery], Awaitable[Receipt]]
"""Journals a delivery. Returns when it is safe to acknowledge, or BUSY when it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a platform can do. `render` and `delivery` read this and nothing else about it.

    `text_max` and `part_soft` count `text_unit`s after formatting: `text_max` is the platform's
    own limit, `part_soft` the size at which we split. `typing_refresh_s` is None where no sign
    of life exists. `stream`: "edit" shows progress by editing one message, "push" by pushing
    every state at once. `group_ids` is what the ids of chats of several people begin with, where
    budgets count those apart. `nonce_life_s` is how long the platform recognises the nonce of
    a post and shows the repeat only once; `read_back`: `Sink.find` can tell whether a post stands.
    `form`: how OpenForm is shown, None where there are none; `form_field_max` characters fit one
    field. `menu_options`: how many options a Menu may have, 0 where there are no menus. `confirm`:
    a Button's `confirm` is asked. `private_max`: characters of an AnswerPress. `code`: blocks of
    code look like nothing else, so that no line in them can be taken for one of ours.
    `command_mark`: what typed commands begin with, where the platform lets them through.
    """

    text_max: int
    part_soft: int
    text_unit: Literal["utf16", "code_point"]
    parts_max: int
    buttons_per_row: int
    rows: int
    edit: bool
    delete: bool
    react: bool
    private: Literal["any", "on_press"] | None
    threads: Literal["start", "join"] | None
    typing_refresh_s: float | None
    nonce_life_s: float | None
    upload_max_bytes: int
    stream: Literal["edit", "push"]
    edit_interval_s: float
    edit_interval_group_s: float
    form: Literal["modal", "reply", "page"] | None = None
    form_field_max: int = 0
    menu_options: int = 0
    confirm: bool = False
    private_max: int = 200
    code: bool = True
    budgets: tuple[Budget, ...] = ()
    group_ids: str | None = None
    read_back: bool = False
    command_mark: str = "/"


ADMIN = "admin"
"""The role of who administers a chat, where the platform tells."""

Marks = Callable[[Account], Awaitable[tuple[MessageRef, ...]]]
"""The newest stored message of every chat of an account, for reading back what came after it."""


OnGap = Callable[[Gap], Awaitable[None]]
"""Stores a gap that is over, so that `why` and `status` can tell of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An HTTP route an adapter wants on the shared web listener.

    `guarded` routes lie behind the listener's token; the others prove their callers themselves.
    `uploads`: files come to it, which may take their time; it bounds them itself.
    """

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    guarded: bool
    uploads: bool = False


class Source(Protocol):
    """The way in."""

    @property
    def platform(self) -> PlatformName: ...

    async def connect(self) -> Account:
        """Make the identity call and return who we are; no event is taken yet.

        Raises CredentialsRejected for a refused token, PlatformUnavailable when nobody answers.
        May be called again after either.
        """

    async def run(self, ingest: Ingest) -> None:
        """Feed every delivery to `ingest` and acknowledge by its receipt, until cancelled.

        Called after `connect`. Reconnects by itself where the protocol foresees it; raises
        PlatformUnavailable when the caller should connect anew, CredentialsRejected when nobody
        should. Cancelling it leaves nothing acknowledged that was not stored.
        """

    def routes(self) -> tuple[Route, ...]:
        """HTTP routes to mount; asked once, before `run`. They answer 503 while `run` is not."""

    async def locate(self, attachment: Attachment, message: MessageRef) -> Location:
        """Where the bytes of a file are that came with a message; asked after admission only.

        Asked anew for every fetch: addresses expire. Raises FileUnavailable where there are none,
        another PlatformError where asking failed.
        """

    def liveness(self) -> Liveness:
        """Evidence that the transport lives; cheap, never raises."""

    async def close(self) -> None:
        """Release every connection; called once, last, also after failures."""


class Sink(Protocol):
    """The way out."""

    @property
    def capabilities(self) -> Capabilities: ...

    def fits(self, body: Blocks) -> bool:
        """Whether the formatted body is within `part_soft` and every structural limit. Pure."""

    async def perform(self, operation: Operation) -> Outcome:
        """Carry out one operation with one request.

        Post and Upload return Sent, everything else Done. Raises one of `platforms.errors`;
        never retries, splits or sleeps.
        """

    async def find(self, operation: Post | Upload, since: datetime) -> MessageRef | None:
        """Look once whether an in-doubt post, first tried at `since`, stands in its chat.

        Asked only where `capabilities.read_back`; elsewhere NotImplementedError.
        """

    async def direct(self, person: str, space: str | None = None) -> ChatRef:
        """The chat with one person of this account by their immutable id, opened if need be.

        `space` is that of the person, for accounts that are in several (Slack workspaces).
        Raises ChatUnavailable where there is none or they can't be written to.
        """

    async def roles(self, person: str, chat: ChatRef, asked: frozenset[str]) -> frozenset[str]:
        """Which of the `asked` roles a person holds now, read anew at every call.

        A role is the id of a Slack user group or of a Discord role; `ADMIN` is held by who
        administers the chat (Telegram: creator or administrator; nobody elsewhere). Platforms
        without roles return none. Raises PlatformError when it can't be told: then nobody
        knows, and that is never a yes.
        """

    async def leave(self, chat: ChatRef) -> None:
        """Leave a chat of several people; leaving one we are not in is success.

        Raises MessageRejected where a bot can't by itself, which says what a person does instead,
        RightsMissing where it may not.
        """


class Adapter(Source, Sink, Protocol):
    """One credential of one platform."""


@runtime_checkable
class History(Protocol):
    """An adapter of a platform that lets us read what was said in a chat before."""

    async def earlier(self, message: MessageRef, limit: int) -> tuple[Said, ...]:
        """What was said in the thread, or else the channel, of a message before it, oldest first.

        At most `limit` messages with words, ours among them, service messages not; files are
        named in the text. One request. Raises PlatformError.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something amiss with an account, or worth knowing of it, and what a person can do about it.

    "error": it does not work so; "warning": something is lost; "note": it may well be meant so.
    """

    weight: Literal["note", "warning", "error"]
    said: str
    remedy: str = ""


REMARK_CHATS_MAX = 20
"""How many chats are asked about at most: it is one request each."""


@runtime_checkable
class SetUp(Protocol):
    """An adapter that can tell how its account is set up on the platform's own pages."""

    async def remarks(self, chats: tuple[ChatRef, ...]) -> tuple[Remark, ...]:
        """What is missing there, and in these chats, at most REMARK_CHATS_MAX of them.

        Asked after `connect`, and never of an adapter that runs. Raises PlatformError.
        """
