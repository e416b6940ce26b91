"""Pure: files of a message as attachments, and one line of text for what is neither file nor text.

`Attachment.file` is the file id that getFile takes. Source: core.telegram.org/bots/api#message.
"""

from typing import Literal

from platforms.events import Attachment
from platforms.fields import Body, identifier, integer, mapping, objects, string, truth

Kind = Literal["image", "audio", "voice", "video", "document", "sticker"]

_KINDS: tuple[tuple[str, Kind], ...] = (
    ("animation", "video"),  # before document: an animation carries both
    ("audio", "audio"),
    ("document", "document"),
    ("sticker", "sticker"),
    ("video", "video"),
    ("video_note", "video"),
    ("voice", "voice"),
)


def read_attachments(message: Body) -> tuple[Attachment, ...]:
    """The file of a message, if it has one; of a photo's sizes the largest."""
    sizes = [size for size in objects(message, "photo") if _attachment(size, "image")]
    if sizes:
        largest = max(sizes, key=lambda size: integer(size, "width") or 0)
        return _attachment(largest, "image")
    for field, kind in _KINDS:
        if found := _attachment(mapping(message, field), kind):
            return found
    return ()


def _attachment(file: Body, kind: Kind) -> tuple[Attachment, ...]:
    ident, unique = identifier(file, "file_id"), identifier(file, "file_unique_id")
    if ident is None or unique is None:
        return ()
    size = integer(file, "file_size")
    return (
        Attachment(
            id=unique,
            kind=kind,
            file=ident,
            name=string(file, "file_name") or None,
            mime=string(file, "mime_type") or None,
            bytes=size if size is not None and size >= 0 else None,
            seconds=integer(file, "duration"),
            width=integer(file, "width"),
            height=integer(file, "height"),
        ),
    )


def stand_in(message: Body) -> str:
    """What stands for a sticker, place, contact, poll or die; empty if there is none."""
    if sticker := mapping(message, "sticker"):
        return f"[sticker {string(sticker, 'emoji')}]".replace(" ]", "]")
    if venue := mapping(message, "venue"):
        return f"[place {string(venue, 'title')}, {string(venue, 'address')}]"
    if location := mapping(message, "location"):
        return f"[location {_degrees(location, 'latitude')}, {_degrees(location, 'longitude')}]"
    if contact := mapping(message, "contact"):
        name = f"{string(contact, 'first_name')} {string(contact, 'last_name')}".strip()
        return f"[contact {name}, {string(contact, 'phone_number')}]"
    if poll := mapping(message, "poll"):
        options = " / ".join(string(option, "text") for option in objects(poll, "options"))
        closed = " (closed)" if truth(poll, "is_closed") else ""
        return f"[poll{closed} {string(poll, 'question')}: {options}]"
    if dice := mapping(message, "dice"):
        return f"[{string(dice, 'emoji') or 'dice'} {integer(dice, 'value')}]"
    return ""


def _degrees(location: Body, name: str) -> str:
    value = location.get(name)
    return f"{value:.6f}" if isinstance(value, float) else str(integer(location, name))
