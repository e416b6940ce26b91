"""The listener's own two pages: signing in, and what went wrong. Pure."""

from platforms.web.html import Html, el, join
from platforms.web.page import document

STYLES = "/static/app.css"


def sign_in_page(*, goal: str, problem: str | None = None) -> Html:
    """The form that takes the token; `goal` is where to go afterwards."""
    form = el(
        "form",
        {"method": "post", "action": "/login"},
        el("input", {"type": "hidden", "name": "goal", "value": goal}),
        el("label", {"for": "token"}, "Token"),
        el(
            "input",
            {
                "id": "token",
                "name": "token",
                "type": "password",
                "autocomplete": "current-password",
                "required": True,
                "autofocus": True,
                "aria-describedby": "about",
            },
        ),
        el("button", {"class": "button primary"}, "Sign in"),
    )
    about = "The token is web.token in the gateway's configuration."
    return _card(
        "Sign in to Gatepost",
        el("p", {"class": "failure", "role": "alert"}, problem) if problem else None,
        form,
        el("p", {"id": "about"}, about),
    )


def problem_page(sentence: str) -> Html:
    """One sentence and the way back."""
    return _card("That did not work", el("p", None, sentence), el("a", {"href": "/"}, "Back"))


def _card(title: str, *children: Html | None) -> Html:
    heading = el("h1", None, title)
    card = el("main", {"class": "card"}, heading, *children)
    return document(f"{title} · Gatepost", STYLES, join(), card)
