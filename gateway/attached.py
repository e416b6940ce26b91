"""Pure: a file that came with a message, as rows name it until it is fetched."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson

from agent.messages import Media
from gateway import refs
from platforms.events import Attachment, Author, MessageRef

NAME_MAX: Final = 120
_KINDS: Final = ("image", "audio", "voice", "video", "document", "sticker")
_KIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """What a person sent, sizes as declared; without `file` nothing can fetch it.

    `account` got it, `chat` and `message_id` are where it stands.
    """

    kind: str
    name: str = ""
    mime: str = ""
    bytes: int | None = None
    seconds: int | None = None
    width: int | None = None
    height: int | None = None
    id: str = ""
    file: str = ""
    account: str = ""
    chat: str = ""
    message_id: str = ""
    quoted: bool = False
    """It came with what a message replies to, whoever sent that."""

    @classmethod
    def of(cls, attachment: Attachment, message: MessageRef, *, quoted: bool = False) -> "Attached":
        """An attachment of a message in the words of its row."""
        return cls(
            kind=attachment.kind,
            name=_name(attachment.name or ""),
            mime=(attachment.mime or "").partition(";")[0].strip().lower()[:100],
            bytes=attachment.bytes,
            seconds=attachment.seconds,
            width=attachment.width,
            height=attachment.height,
            id=attachment.id,
            file=attachment.file,
            account=refs.account_text(message.chat.account),
            chat=refs.chat_text(message.chat),
            message_id=message.message_id,
            quoted=quoted,
        )

    @classmethod
    def from_fields(cls, row: str | dict[str, Any]) -> "Attached":
        """Read what `to_fields` wrote, or a name alone, which is all that used to be kept."""
        if isinstance(row, str):
            return cls(kind="document", name=row)
        return cls(**row)

    @classmethod
    def from_media(cls, media: Media) -> "Attached":
        """What a file is fetched by that waits in a transcript."""
        return cls.from_fields(orjson.loads(media.source))

    def to_fields(self) -> dict[str, Any]:
        """What is known of it."""
        told = asdict(self).items()
        return {
            name: value for name, value in told if value not in ("", None) and value is not False
        }

    def to_media(self) -> Media:
        """The place of it in a transcript until it is fetched."""
        source = orjson.dumps(self.to_fields()).decode()
        return Media(mime=self.mime, data=b"", name=self.name, source=source)

    def to_attachment(self) -> Attachment:
        """What its adapter is asked for it with."""
        kind: Any = self.kind if self.kind in _KINDS else "document"
        return Attachment(
            id=self.id,
            kind=kind,
            file=self.file,
            name=self.name or None,
            mime=self.mime or None,
            bytes=self.bytes,
            seconds=self.seconds,
            width=self.width,
            height=self.height,
        )

    def message(self) -> MessageRef:
        """The message it stands in."""
        chat = refs.chat_from(self.chat, refs.account_from(self.account))
        return MessageRef(chat=chat, message_id=self.message_id)

    @property
    def label(self) -> str:
        """What people call it: its name, else what it is."""
        return self.name or _CALLED.get(self.kind, "a file")

    @property
    def place(self) -> str:
        """What it is attached to, as a line about it begins."""
        return "attached to a quoted message" if self.quoted else "attached"

    @property
    def figures(self) -> str:
        """What it is and how large, as far as anyone said."""
        length = f"{self.seconds} s" if self.seconds is not None else ""
        size = size_text(self.bytes) if self.bytes is not None else ""
        return ", ".join(filter(None, (self.mime, size, length)))


_CALLED: Final = {
    "image": "a picture",
    "audio": "a recording",
    "voice": "a voice note",
    "video": "a video",
    "sticker": "a sticker",
}


def size_text(count: int) -> str:
    """Bytes as people read them."""
    if count < _KIB:
        return f"{count} bytes" if count != 1 else "1 byte"
    if count < _KIB * _KIB:
        return f"{-(-count // _KIB)} KiB"
    return f"{count / _KIB / _KIB:.1f}".removesuffix(".0") + " MiB"


def line(attached: Attached, why: str) -> str:
    """What the model reads in place of a file it is not given."""
    figures = f" ({attached.figures})" if attached.figures else ""
    return f"[{attached.place}: {attached.label}{figures}; {why}]"


def quoted_of(
    attachments: Iterable[Attachment], message: MessageRef, author: Author
) -> tuple[Attached, ...]:
    """The files of a message that is quoted; none of our own, which the model wrote itself."""
    if author.is_us:
        return ()
    files = (each for each in attachments if each.kind != "sticker")
    return tuple(Attached.of(each, message, quoted=True) for each in files)


def _name(text: str) -> str:
    """A name without paths, controls and brackets that would end the line it stands in."""
    last = text.replace("\\", "/").rpartition("/")[2]
    plain = "".join(c if c.isprintable() and c not in "[]" else " " for c in last)
    return " ".join(plain.split())[:NAME_MAX]
