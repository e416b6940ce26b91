"""What stands below a message to act on: buttons, menus, questions and forms, as HTML. Pure.

All of it works without script: a menu and a question before a press fold out (`details`), and
whatever folds out holds ordinary submit buttons of one form.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import assert_never

from platforms.content import Button, Controls, Field, Form, Menu
from platforms.web.html import Html, el, join

FIELD_PREFIX = "field."
"""What the names of a form's own fields begin with where it is sent."""

NOT_NOW = "Not now"

_STYLES = {"plain": "button", "primary": "button primary", "danger": "button danger"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FormFields:
    """What every form of a page carries; each form gets a key of its own from `new_key`."""

    token: str
    new_key: Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """A form that is open at the message `card`.

    `sentence` says why it was not taken, `key` is then that of the act to be sent again.
    """

    card: str
    form: Form
    sentence: str = ""
    key: str | None = None


def hidden(form: FormFields, key: str | None = None) -> Html:
    """The fields that prove where a form comes from and which act it is."""
    return join(
        el("input", {"type": "hidden", "name": "token", "value": form.token}),
        el("input", {"type": "hidden", "name": "key", "value": key or form.new_key()}),
    )


def controls_html(
    controls: Controls, message_id: str, conversation: str, form: FormFields | None
) -> Html | None:
    """The controls of a message; without `form` script brings the fields that prove them."""
    if not controls:
        return None
    return el(
        "form",
        {"method": "post", "action": f"/chat/{conversation}/press", "class": "press"},
        hidden(form) if form else None,
        el("input", {"type": "hidden", "name": "message", "value": message_id}),
        *(_control(control) for row in controls for control in in_keyboard_order(row)),
    )


def in_keyboard_order(row: Iterable[Button | Menu]) -> tuple[Button | Menu, ...]:
    """A row in the order in which the Tab key goes: consent is never what it meets first.

    Who opens a card and presses Enter without looking must not have said yes. So a button that
    weighs something changes places with the first of its row that does not.
    """
    controls = list(row)
    light = next((i for i, control in enumerate(controls) if not _weighs(control)), 0)
    return (*controls[light : light + 1], *controls[:light], *controls[light + 1 :])


def _weighs(control: Button | Menu) -> bool:
    match control:
        case Button(style=style, confirm=confirm):
            return style == "primary" or bool(confirm)
        case Menu():
            return True  # it folds out, so it is no choice of its own
        case _:
            assert_never(control)


def _control(control: Button | Menu) -> Html:
    match control:
        case Button(confirm=""):
            return _button(control)
        case Button():
            return _question(control)
        case Menu():
            return _menu(control)
        case _:
            assert_never(control)


def _button(button: Button) -> Html:
    attributes = {"class": _STYLES[button.style], "name": "payload", "value": button.payload}
    return el("button", attributes, button.label)


def _question(button: Button) -> Html:
    """A press that is asked for twice; the second button is not where the first one was."""
    return el(
        "details",
        {"class": "fold question"},
        el(
            "summary",
            {"class": _STYLES[button.style]},
            el("span", {"class": "folded"}, button.label),
            el("span", {"class": "unfolded"}, NOT_NOW),
        ),
        el("div", {"class": "panel"}, el("p", None, button.confirm), _button(button)),
    )


def _menu(menu: Menu) -> Html:
    return el(
        "details",
        {"class": "fold menu"},
        el("summary", {"class": "button"}, menu.label),
        el("div", {"class": "panel"}, *map(_control, menu.options)),
    )


def form_html(filling: Filling, conversation: str, form: FormFields | None) -> Html:
    """A form at its card: Cancel needs nothing filled in and is not stored."""
    card, shown = filling.card, filling.form
    return el(
        "form",
        {"method": "post", "action": f"/chat/{conversation}/form", "class": "fill"},
        hidden(form, filling.key) if form else None,
        el("input", {"type": "hidden", "name": "card", "value": card}),
        el("input", {"type": "hidden", "name": "form", "value": shown.id}),
        el("h3", None, shown.title),
        *map(field_html, shown.fields),
        el(
            "p",
            {"class": "failure", "role": "alert", "hidden": not filling.sentence},
            filling.sentence,
        ),
        el(
            "div",
            {"class": "ends"},
            # Enter in a field presses the first button of its form.
            el("button", {"class": "button primary"}, shown.submit),
            el(
                "button",
                {"class": "button", "name": "close", "value": "1", "formnovalidate": True},
                shown.cancel,
            ),
        ),
    )


def field_html(field: Field) -> Html:
    """One field with its label, and the text that stands in it beforehand."""
    attributes: dict[str, str | bool | None] = {
        "name": FIELD_PREFIX + field.name,
        "required": field.required,
        "maxlength": str(field.max_length),
        "dir": "auto",
        "autocomplete": "off",
    }
    if field.multiline or "\n" in field.text:
        rows = str(min(max(field.text.count("\n") + 1, 3), 16))
        # HTML drops one line end right after the tag: this one, so that none of the text's own is.
        begun = "begun" if field.text else None
        box = el("textarea", {**attributes, "class": begun, "rows": rows}, "\n" + field.text)
    else:
        box = el("input", {**attributes, "type": "text", "value": field.text})
    return el("label", None, el("span", None, field.label), box)
