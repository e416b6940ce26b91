"""Pure: buttons and menus to Slack's own elements; every word of them is plain text.

A menu of few choices is an overflow menu, which shows no label, a longer one a select. Source:
docs.slack.dev/reference/block-kit/block-elements, and the confirmation dialog beside it.
"""

from collections.abc import Iterator
from typing import Any, assert_never

from platforms.blocks import clean_text
from platforms.content import Button, Controls, Dialog, Menu
from platforms.measure import grapheme_floor
from platforms.slack.limits import (
    CONFIRM_BUTTON_MAX,
    CONFIRM_TEXT_MAX,
    LABEL_MAX,
    OPTION_LABEL_MAX,
    OVERFLOW_OPTIONS,
    PLACEHOLDER_MAX,
)

Json = dict[str, Any]

_BLANK = " "


def control_blocks(controls: Controls) -> Iterator[Json]:
    """One block for each row that holds anything."""
    for row_no, row in enumerate(controls):
        elements = [_element(f"{row_no}.{number}", each) for number, each in enumerate(row)]
        if elements:
            yield {"type": "actions", "elements": elements}


def plain_words(text: str, most: int) -> Json:
    """Plain text on one line, of at most so many characters; a blank where there is none."""
    text = clean_text(text).replace("\n", " ").strip() or _BLANK
    if len(text) > most:
        text = text[: grapheme_floor(text, most - 1)] + "…"
    return {"type": "plain_text", "text": text, "emoji": False}


def _element(action_id: str, control: Button | Menu) -> Json:
    match control:
        case Button():
            return {"action_id": action_id, **_button(control)}
        case Menu():
            return {"action_id": action_id, **_menu(control)}
        case _:
            assert_never(control)


def _button(button: Button) -> Json:
    element: Json = {
        "type": "button",
        "text": plain_words(button.label, LABEL_MAX),
        "value": button.payload,
    }
    if button.style != "plain":
        element["style"] = button.style
    if button.confirm:
        dialog = _dialog(button.confirm, button.label, button.dialog)
        element["confirm"] = dialog | ({"style": "danger"} if button.style == "danger" else {})
    return element


def _menu(menu: Menu) -> Json:
    element: Json = {"type": "overflow"}
    if len(menu.options) not in OVERFLOW_OPTIONS:
        element = {
            "type": "static_select",
            "placeholder": plain_words(menu.label, PLACEHOLDER_MAX),
        }
    element["options"] = [
        {"text": plain_words(option.label, OPTION_LABEL_MAX), "value": option.payload}
        for option in menu.options
    ]
    # Slack asks once for the whole menu, so no choice goes through without its question.
    if asking := [each for each in menu.options if each.confirm]:
        questions = dict.fromkeys(each.confirm for each in asking)
        words = asking[0].dialog
        element["confirm"] = _dialog(" ".join(questions), words.yes, words)
    return element


def _dialog(question: str, go_on: str, words: Dialog) -> Json:
    """What is asked before a press counts; a label that does not fit is not cut: it may name a sum.

    Who cancels has not pressed.
    """
    fits = len(clean_text(go_on)) <= CONFIRM_BUTTON_MAX
    return {
        "title": plain_words(words.title, LABEL_MAX),
        "text": plain_words(question, CONFIRM_TEXT_MAX),
        "confirm": plain_words(go_on if fits else words.yes, CONFIRM_BUTTON_MAX),
        "deny": plain_words(words.no, CONFIRM_BUTTON_MAX),
    }
