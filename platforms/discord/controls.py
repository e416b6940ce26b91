"""Controls and forms as Discord's components; nothing of them is kept by the SDK.

A form is built of labels: text inputs in action rows are deprecated.
Source: "Component Reference".
"""

from collections.abc import Iterator
from typing import Any

import discord

from platforms.content import Button, Controls, Field, Form, Menu
from platforms.discord.limits import (
    FIELD_LABEL_MAX,
    FIELD_MAX,
    FIELDS_MAX,
    FORM_TITLE_MAX,
    LABEL_MAX,
    MENU_LABEL_MAX,
    MENU_OPTIONS_MAX,
    OPTION_LABEL_MAX,
)
from platforms.errors import MessageRejected, TooLong
from platforms.text import utf16_len

MENU = "menu:"
"""What the `custom_id` of our menus begins with; which option was chosen is said apart from it."""

_STYLES = {
    "plain": discord.ButtonStyle.secondary,
    "primary": discord.ButtonStyle.primary,
    "danger": discord.ButtonStyle.danger,
}


def view_of(controls: Controls) -> discord.ui.View | None:
    """Rows of buttons and menus. Stopped at once, or the SDK would keep every view it ever sent.

    Raises MessageRejected for more than a message holds.
    """
    if not controls:
        return None
    view = discord.ui.View(timeout=None)
    try:
        for number, row in enumerate(rows_of(controls)):
            for control in row:
                view.add_item(_item(control, number))
    except ValueError as error:
        raise MessageRejected(f"these controls don't fit a message of Discord: {error}") from error
    view.stop()
    return view


def form_payload(form: Form) -> dict[str, Any]:
    """What opens a form. Raises TooLong where a text does not fit its field: it is never cut."""
    if not 0 < len(form.fields) <= FIELDS_MAX:
        raise MessageRejected(f"a form of Discord has 1 to {FIELDS_MAX} fields")
    return {
        "custom_id": form.id,
        "title": _cut(form.title, FORM_TITLE_MAX),
        "components": [_field(field) for field in form.fields],
    }


def rows_of(controls: Controls) -> Iterator[tuple[Button | Menu, ...]]:
    """The same controls with each menu alone in its row, as Discord wants them."""
    for row in controls:
        buttons = tuple(control for control in row if isinstance(control, Button))
        if buttons:
            yield buttons
        for control in row:
            if isinstance(control, Menu):
                yield (control,)


def _item(control: Button | Menu, row: int) -> discord.ui.Item[discord.ui.View]:
    if isinstance(control, Button):
        return discord.ui.Button(
            style=_STYLES[control.style],
            label=_cut(control.label, LABEL_MAX),
            custom_id=control.payload,
            row=row,
        )
    if not 0 < len(control.options) <= MENU_OPTIONS_MAX:
        raise ValueError(f"a menu has 1 to {MENU_OPTIONS_MAX} options")
    return discord.ui.Select(
        custom_id=f"{MENU}{row}",
        placeholder=_cut(control.label, MENU_LABEL_MAX),
        options=[
            discord.SelectOption(label=_cut(option.label, OPTION_LABEL_MAX), value=option.payload)
            for option in control.options
        ],
        row=row,
    )


def _field(field: Field) -> dict[str, Any]:
    most = max(1, min(field.max_length, FIELD_MAX))
    if utf16_len(field.text) > most:
        raise TooLong("a text does not fit its field of a form")
    several = field.multiline or "\n" in field.text
    entry: discord.ui.TextInput[discord.ui.View] = discord.ui.TextInput(
        custom_id=field.name,
        style=discord.TextStyle.paragraph if several else discord.TextStyle.short,
        default=field.text or None,
        required=field.required,
        max_length=most,
    )
    label = discord.ui.Label(text=_cut(field.label, FIELD_LABEL_MAX), component=entry)
    return dict(label.to_component_dict())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
