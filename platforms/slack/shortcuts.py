"""Pure: shortcuts, a form to ask in from anywhere, and one about a message that is quoted.

Slack tells of a shortcut and shows nothing by itself. The form that is sent is what its sender
wrote to us directly: a shortcut has no place of its own, and what is asked under a message was not
meant for everybody in its channel.
Source: docs.slack.dev/interactivity/implementing-shortcuts.
"""

from typing import Any

import orjson

from platforms.blocks import clean_text
from platforms.content import Field, Form
from platforms.events import Author, ChatRef, MessageReceived, MessageRef, Quote
from platforms.fields import Body, identifier, mapping, string
from platforms.slack.controls import plain_words
from platforms.slack.forms import Place, read_values, view_of
from platforms.slack.limits import METADATA_MAX, QUOTE_MAX, QUOTE_SHOWN_MAX
from platforms.slack.reading import Index, Reading, person_of
from platforms.slack.stamps import is_stamp, stamp_of
from platforms.slack.words import read_words

ASK = "ask"
"""The callback id of the form, and of the shortcut from anywhere."""

ASK_ABOUT = "ask_about"
"""The callback id of the shortcut under a message."""

KINDS = ("shortcut", "message_action")
_CALLBACKS = (ASK, ASK_ABOUT)
_TEXT = "text"
_HERE = "The answer comes to your direct messages."


def is_shortcut(payload: Body) -> bool:
    """Whether it is one of ours."""
    return payload.get("type") in KINDS and payload.get("callback_id") in _CALLBACKS


def is_asked(payload: Body) -> bool:
    """Whether it is the form of a shortcut that was sent."""
    view = mapping(payload, "view")
    return payload.get("type") == "view_submission" and view.get("callback_id") == ASK


def ask_view(payload: Body, direct: str, index: Index) -> dict[str, Any]:
    """The form, with the message it was asked for under; `direct` is where it leads."""
    form = Form(
        id=ASK,
        title=f"Ask {index.us.name}",
        fields=(Field(name=_TEXT, label="Your words", multiline=True, max_length=3_000),),
        submit="Ask",
    )
    view = view_of(form, Place(channel=direct))
    quoted = _quoted(payload, index)
    notes: list[dict[str, Any]] = [
        {"type": "context", "elements": [plain_words(_HERE, QUOTE_SHOWN_MAX)]}
    ]
    if quoted:
        shown = f"{quoted['name']}: {quoted['text']}"
        notes = [{"type": "section", "text": plain_words(shown, QUOTE_SHOWN_MAX)}, *notes]
    return view | {
        "private_metadata": _metadata(direct, quoted),
        "blocks": [*notes[:-1], *view["blocks"], notes[-1]],
    }


def read_asked(payload: Body, reading: Reading) -> MessageReceived | None:
    """The sent form as what somebody wrote to us; None for one that is not ours."""
    us, view = reading.index.us, mapping(payload, "view")
    user = mapping(payload, "user")
    author = person_of(user, identifier(user, "team_id"), reading)
    try:
        direct, quoted = orjson.loads(string(view, "private_metadata") or "")
    except (ValueError, TypeError):
        return None
    channel = identifier({"id": direct}, "id")
    if author is None or channel is None:
        return None
    chat = ChatRef(account=us.account, space=us.space, chat_id=channel)
    moment = (int(reading.now.timestamp()), reading.now.microsecond)
    return MessageReceived(
        account=us.account,
        chat=chat,
        reply_to=chat,
        author=author,
        delivery_key=reading.key,
        logical_key=reading.key,
        order=moment,
        occurred_at=reading.now,
        message=MessageRef(chat=chat, message_id=stamp_of(reading.now)),
        text=clean_text(read_values(view).get(_TEXT, "")).strip(),
        chat_kind="dm",
        quote=_read_quote(quoted, reading) if isinstance(quoted, dict) else None,
    )


def _quoted(payload: Body, index: Index) -> dict[str, Any]:
    """The message a shortcut was chosen under, as it goes along with the form."""
    message, channel = mapping(payload, "message"), mapping(payload, "channel")
    ts, place = identifier(message, "ts"), identifier(channel, "id")
    author = identifier(message, "user") or identifier(message, "bot_id")
    if place is None or author is None or not is_stamp(ts):
        return {}
    words = read_words(
        string(message, "text"), our_ids={index.us.user_id}, name_of=index.name_of
    ).text
    return {
        "channel": place,
        "thread": identifier(message, "thread_ts"),
        "ts": ts,
        "by": author,
        "name": clean_text(index.name_of(author) or string(message, "username") or author)[:80],
        "team": identifier(message, "user_team") or identifier(message, "team"),
        "text": clean_text(words)[:QUOTE_MAX],
    }


def _metadata(direct: str, quoted: dict[str, Any]) -> str:
    """The place and the quote, of which as much as fits."""
    while len(text := orjson.dumps([direct, quoted or None]).decode()) > METADATA_MAX:
        excess = max(1, (len(text) - METADATA_MAX) // 2)  # a character may take two
        quoted = quoted | {"text": quoted["text"][:-excess]}
    return text


def _read_quote(quoted: dict[str, Any], reading: Reading) -> Quote | None:
    us, ts = reading.index.us, identifier(quoted, "ts")
    channel, by = identifier(quoted, "channel"), identifier(quoted, "by")
    if channel is None or by is None or not is_stamp(ts):
        return None
    root = identifier(quoted, "thread")
    thread = root if is_stamp(root) and root != ts else None
    found = person_of({"id": by, "name": quoted.get("name")}, identifier(quoted, "team"), reading)
    author = found or Author(id=by, space=us.space)
    chat = ChatRef(account=us.account, space=us.space, chat_id=channel, thread_id=thread)
    message = MessageRef(chat=chat, message_id=ts)
    return Quote(message=message, author=author, text=string(quoted, "text"))
