"""The page as HTML: everything script shows later is made here too, so it works without. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from platforms.web.controls import Filling, FormFields, controls_html, form_html, hidden
from platforms.web.history import Answering, ChatSummary, HistoryItem, Speaker
from platforms.web.html import Html, el, join
from platforms.web.limits import TEXT_MAX
from platforms.web.live import LiveMessage
from platforms.web.parse import conversation_of

NEW_CHAT = "New chat"
WORKING = "Working on it…"
REFRESH_S = "2"

_SPEAKERS: dict[Speaker, str] = {"user": "You", "assistant": "Gatepost"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A message and the HTML of its blocks."""

    message: HistoryItem | LiveMessage
    blocks: tuple[Html, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Another page of the same listener."""

    name: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A message that was not taken, put back into its box with the reason; its key stays."""

    sentence: str
    text: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """Everything the chat page shows. `cursor` is where its event stream goes on.

    `fillings` are the open forms by the message they stand at, `said` the answer to what was
    pressed on the page before this one, `again` the address at which that answer may yet come.
    """

    conversation: str
    chats: tuple[ChatSummary, ...]
    messages: tuple[Rendered, ...]
    answering: Answering
    label: str | None
    cursor: str
    form: FormFields
    styles: str
    script: str
    can_sign_out: bool
    places: tuple[Place, ...] = ()
    failure: Failure | None = None
    fillings: Mapping[str, Filling] = field(default_factory=dict)
    said: str = ""
    again: str | None = None


def chat_page(view: PageView) -> Html:
    """The whole document."""
    title = _title(view)
    head: list[Html] = [el("script", {"src": view.script, "type": "module"})]
    # Loading again would take the words out of a form that is being filled in.
    if (view.label is not None or view.again is not None) and not view.fillings:
        content = REFRESH_S if view.again is None else f"{REFRESH_S};url={view.again}"
        refresh = el("meta", {"http-equiv": "refresh", "content": content})
        head.append(el("noscript", None, refresh))
    body = el("div", {"class": "app"}, _side(view), _main(view, title))
    skip = el("a", {"class": "skip unseen", "href": "#text"}, "Skip to the message box")
    return document(f"{title} · Gatepost", view.styles, join(*head), join(skip, body))


def document(title: str, styles: str, head: Html, body: Html) -> Html:
    """An HTML document in this project's look."""
    return join(
        Html("<!doctype html>"),
        el(
            "html",
            {"lang": "en"},
            el(
                "head",
                None,
                el("meta", {"charset": "utf-8"}),
                el("title", None, title),
                el("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
                el("meta", {"name": "color-scheme", "content": "light dark"}),
                el("link", {"rel": "icon", "href": "/static/icon.svg", "type": "image/svg+xml"}),
                el("link", {"rel": "stylesheet", "href": styles}),
                head,
            ),
            el("body", None, body),
        ),
    )


def chat_list(chats: Iterable[ChatSummary], current: str) -> Html:
    """The list of chats, `current` marked."""
    entries = [_entry(summary, current) for summary in chats]
    if not entries:
        return el("p", {"class": "none", "id": "list"}, "Your chats will be listed here.")
    return el("ul", {"class": "list", "id": "list"}, *entries)


def log_content(
    messages: tuple[Rendered, ...],
    *,
    conversation: str,
    answering: Answering,
    working: bool,
    form: FormFields | None,
    fillings: Mapping[str, Filling],
) -> Html:
    """What stands in the conversation: its messages, or how to begin.

    Without `form`, buttons are for script, which brings its own fields.
    """
    if not messages and not fillings:
        return _empty(answering)
    last = len(messages) - 1
    known = {rendered.message.message_id for rendered in messages}
    return join(
        *(
            message_html(
                rendered,
                conversation,
                form,
                busy=working and i == last and _is_ours(rendered),
                filling=fillings.get(rendered.message.message_id),
            )
            for i, rendered in enumerate(messages)
        ),
        *(form_html(fillings[card], conversation, form) for card in fillings if card not in known),
    )


def message_html(
    rendered: Rendered,
    conversation: str,
    form: FormFields | None,
    *,
    busy: bool,
    filling: Filling | None = None,
) -> Html:
    """One message; `busy` while its text still grows.

    Only what has, or had, controls is set in a box: words of a model never are, whatever they
    look like.
    """
    message = rendered.message
    boxed = " boxed" if message.boxed or message.controls else ""
    return el(
        "article",
        {
            "class": f"message {message.speaker}{boxed}",
            "id": f"m-{message.message_id}",
            "data-place": str(message.place) if isinstance(message, LiveMessage) else None,
            "aria-busy": "true" if busy else None,
        },
        el(
            "header",
            {"class": "by"},
            el("span", {"class": "who"}, _SPEAKERS[message.speaker]),
            time_html(message.at),
        ),
        el("div", {"class": "body"}, *rendered.blocks),
        el("footer", {"class": "foot"}, foot(message, conversation, form)),
        form_html(filling, conversation, form) if filling else None,
    )


def foot(
    message: HistoryItem | LiveMessage, conversation: str, form: FormFields | None
) -> Html | None:
    """What stands below a message: reactions, a file, buttons."""
    match message:
        case LiveMessage():
            chips = [el("span", {"class": "chip"}, emoji) for emoji in message.reactions]
        case HistoryItem():
            chips = []
        case _:
            assert_never(message)
    file = _file(message, conversation)
    buttons = controls_html(message.controls, message.message_id, conversation, form)
    return join(*chips, file, buttons)


def status_words(label: str | None) -> str:
    """The status line; empty when nothing is going on."""
    if label is None:
        return ""
    return f"{WORKING} {label}".rstrip()


def time_html(at: datetime) -> Html:
    """A time of day; script shows it in the reader's own zone."""
    return el("time", {"datetime": at.isoformat(timespec="seconds")}, f"{at:%H:%M} UTC")


def _title(view: PageView) -> str:
    for summary in view.chats:
        if conversation_of(summary.chat) == view.conversation:
            return summary.title
    return NEW_CHAT


def _side(view: PageView) -> Html:
    brand = el(
        "div",
        {"class": "brand"},
        el("img", {"src": "/static/icon.svg", "alt": ""}),
        el("span", None, "Gatepost"),
        el(
            "button",
            {
                "type": "button",
                "class": "icon close",
                "popovertarget": "chats",
                "popovertargetaction": "hide",
                "aria-label": "Close the list of chats",
            },
            "\N{MULTIPLICATION SIGN}",
        ),
    )
    return el(
        "nav",
        # A popover is a drawer that opens, closes and takes Escape without script.
        {"class": "chats", "id": "chats", "popover": True, "aria-label": "Chats"},
        brand,
        el("a", {"class": "new", "href": "/"}, NEW_CHAT),
        chat_list(view.chats, view.conversation),
        _places(view.places),
        el("div", {"class": "about"}, _about(view.answering), _sign_out(view)),
    )


def _places(places: tuple[Place, ...]) -> Html | None:
    if not places:
        return None
    links = (el("li", None, el("a", {"href": place.href}, place.name)) for place in places)
    return el("ul", {"class": "places"}, *links)


def _about(answering: Answering) -> Html:
    if answering.demo:
        return el("p", None, _demo(), " Every answer is scripted; no model is asked.")
    return el("p", None, f"Answers come from {answering.model} ({answering.provider}).")


def _demo() -> Html:
    return el("span", {"class": "demo"}, "Demo")


def _sign_out(view: PageView) -> Html | None:
    if not view.can_sign_out:
        return None
    button = el("button", {"class": "small"}, "Sign out")
    return el("form", {"method": "post", "action": "/logout"}, button)


def _entry(summary: ChatSummary, current: str) -> Html:
    conversation = conversation_of(summary.chat)
    return el(
        "li",
        None,
        el(
            "a",
            {
                "href": f"/chat/{conversation}",
                "aria-current": "page" if conversation == current else None,
            },
            el("span", {"class": "title"}, summary.title),
            time_html(summary.changed_at),
        ),
    )


def _main(view: PageView, title: str) -> Html:
    log = log_content(
        view.messages,
        conversation=view.conversation,
        answering=view.answering,
        working=view.label is not None,
        form=view.form,
        fillings=view.fillings,
    )
    return el(
        "main",
        {"data-chat": view.conversation, "data-cursor": view.cursor, "data-token": view.form.token},
        _top(title, demo=view.answering.demo),
        el("div", {"class": "banner", "id": "connection", "role": "status", "hidden": True}),
        el(
            "div",
            {"class": "scroll", "id": "scroll", "tabindex": "0", "aria-label": "Conversation"},
            el(
                "div",
                {"class": "log", "id": "log", "role": "log", "aria-label": "Messages"},
                log,
            ),
        ),
        el(
            "button",
            {"type": "button", "class": "button latest", "id": "latest", "hidden": True},
            "Jump to the latest",
        ),
        el("p", {"class": "toast", "id": "toast", "role": "status", "hidden": True}),
        _dock(view),
        _mine(),
    )


def _top(title: str, *, demo: bool) -> Html:
    return el(
        "header",
        {"class": "top"},
        el(
            "button",
            {
                "type": "button",
                "class": "icon",
                "popovertarget": "chats",
                "aria-label": "Show the list of chats",
            },
            "☰",
        ),
        el("h1", {"id": "title"}, title),
        _demo() if demo else None,
        el("a", {"class": "icon", "href": "/", "aria-label": NEW_CHAT}, "+"),
    )


def _dock(view: PageView) -> Html:
    words = el("span", {"class": "words", "id": "words"}, status_words(view.label))
    stop = el(
        "form",
        {
            "method": "post",
            "action": f"/chat/{view.conversation}/stop",
            "id": "stop",
            "hidden": view.label is None,
        },
        hidden(view.form),
        el("button", {"class": "button quiet"}, "Stop"),
    )
    sentence = view.failure.sentence if view.failure else None
    return el(
        "div",
        {"class": "dock"},
        el("p", {"class": "failure", "role": "alert"}, sentence) if sentence else None,
        el("p", {"class": "said", "role": "status"}, view.said) if view.said else None,
        el(
            "div",
            {"class": "line"},
            el("p", {"class": "status", "id": "status", "role": "status"}, words),
            stop,
        ),
        _composer(view),
        el(
            "p",
            {"class": "hint", "id": "hint"},
            "Enter sends, Shift + Enter starts a new line, Escape stops an answer.",
        ),
    )


def _composer(view: PageView) -> Html:
    return el(
        "form",
        {
            "class": "composer",
            "id": "composer",
            "method": "post",
            "action": f"/chat/{view.conversation}/messages",
            "enctype": "multipart/form-data",
        },
        hidden(view.form, view.failure.key if view.failure else None),
        el("label", {"class": "unseen", "for": "text"}, "Message"),
        el(
            "textarea",
            {
                "id": "text",
                "name": "text",
                "rows": "1",
                "placeholder": "Write a message",
                "maxlength": str(TEXT_MAX),
                "autofocus": True,
                "aria-describedby": "hint",
            },
            view.failure.text if view.failure else "",
        ),
        el("button", {"class": "send"}, "Send"),
        el("label", {"class": "unseen", "for": "files"}, "Files"),
        el(
            "input",
            {"class": "files", "id": "files", "type": "file", "name": "files", "multiple": True},
        ),
    )


def _mine() -> Html:
    """What script fills when a message is sent, before the gateway has confirmed it."""
    return el(
        "template",
        {"id": "mine"},
        el(
            "article",
            {"class": "message user unsent"},
            el(
                "header",
                {"class": "by"},
                el("span", {"class": "who"}, _SPEAKERS["user"]),
                el("span", {"class": "sending"}, "sending…"),
            ),
            el("div", {"class": "body"}, el("p", {"class": "plain"})),
            el("footer", {"class": "foot"}),
        ),
    )


def _empty(answering: Answering) -> Html:
    if answering.demo:
        heading = "Have a look around"
        words = join(
            "This is a ",
            el("strong", None, "scripted demonstration"),
            ": no model is asked, every answer was written in advance. For real answers set ",
            el("code", None, "OPENAI_API_KEY"),
            ", or put a provider into ",
            el("code", None, "gatepost.toml"),
            ", and start the gateway again.",
        )
    else:
        heading = "What are we working on?"
        words = join(
            "Answers come from ",
            el("strong", None, answering.model),
            f" (provider {answering.provider}). Each chat keeps its own memory.",
        )
    examples = [
        el(
            "button",
            {"form": "composer", "name": "example", "value": text},
            text,
        )
        for text in answering.examples
    ]
    return el(
        "section",
        {"class": "empty", "id": "empty"},
        el("h2", None, heading),
        el("p", None, words),
        el("div", {"class": "examples"}, *examples) if examples else None,
    )


def _file(message: HistoryItem | LiveMessage, conversation: str) -> Html | None:
    if message.file_name is None:
        return None
    href = f"/chat/{conversation}/files/{message.message_id}"
    return el("a", {"class": "button", "href": href, "download": True}, message.file_name)


def _is_ours(rendered: Rendered) -> bool:
    return rendered.message.speaker == "assistant"
