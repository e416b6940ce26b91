"""The frame of the pages beside the chat: where one is, where else one can go. Pure."""

from dataclasses import dataclass

from platforms.web.html import Html, el, join
from platforms.web.page import Place, document

CHAT = Place(name="Chat", href="/")
APPROVALS = Place(name="Approvals", href="/approvals")
SPEND = Place(name="Spend", href="/spend")
JOBS = Place(name="Jobs", href="/jobs")
PLACES = (CHAT, APPROVALS, SPEND, JOBS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every page shows around its content; `refresh_s` loads it again by itself."""

    title: str
    here: Place
    styles: str
    can_sign_out: bool
    refresh_s: int | None = None


def framed(frame: Frame, *content: Html | None) -> Html:
    """The whole document."""
    head = join()
    if frame.refresh_s is not None:
        head = el("meta", {"http-equiv": "refresh", "content": str(frame.refresh_s)})
    skip = el("a", {"class": "skip unseen", "href": "#content"}, "Skip to the content")
    body = el(
        "div",
        {"class": "page"},
        _masthead(frame),
        el("main", {"id": "content", "tabindex": "-1"}, *content),
    )
    return document(f"{frame.title} · Gatepost", frame.styles, head, join(skip, body))


def _masthead(frame: Frame) -> Html:
    brand = el(
        "a",
        {"class": "brand", "href": "/"},
        el("img", {"src": "/static/icon.svg", "alt": ""}),
        el("span", None, "Gatepost"),
    )
    links = (
        el(
            "li",
            None,
            el(
                "a",
                {"href": place.href, "aria-current": "page" if place == frame.here else None},
                place.name,
            ),
        )
        for place in PLACES
    )
    nav = el("nav", {"aria-label": "Pages"}, el("ul", {"class": "places"}, *links))
    return el("header", {"class": "masthead"}, brand, nav, _sign_out(frame))


def _sign_out(frame: Frame) -> Html | None:
    if not frame.can_sign_out:
        return None
    button = el("button", {"class": "small"}, "Sign out")
    return el("form", {"method": "post", "action": "/logout"}, button)
