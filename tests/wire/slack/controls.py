"""Buttons, menus and the questions before them: what Slack refuses, and what a person sees. Pure.

Source: docs.slack.dev/reference/block-kit/block-elements and composition-objects.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from tests.wire.slack.checks import (
    Json,
    check_items,
    check_keys,
    check_text,
    check_text_object,
    fault,
)

ACTION_ID_MAX = 255
LABEL_MAX = 75
VALUE_MAX = 2_000
OPTION_VALUE_MAX = 150
OVERFLOW_MIN, OVERFLOW_MAX = 2, 5
SELECT_MAX = 100
PLACEHOLDER_MAX = 150
CONFIRM_TITLE_MAX, CONFIRM_TEXT_MAX, CONFIRM_BUTTON_MAX = 100, 300, 30


def check_control(element: Any, where: str) -> None:
    """Raises Invalid for a control Slack would not take."""
    kind = element.get("type") if isinstance(element, dict) else None
    if kind not in {"button", "static_select", "overflow"}:
        raise fault(f"unsupported type: {kind}", f"{where}/type")
    if "action_id" in element:
        check_text(element["action_id"], f"{where}/action_id", ACTION_ID_MAX)
    if "confirm" in element:
        _confirm(element["confirm"], f"{where}/confirm")
    match kind:
        case "button":
            _button(element, where)
        case "overflow":
            check_keys(element, "action_id options confirm", where)
            _options(element, where, OVERFLOW_MAX)
            if len(element["options"]) < OVERFLOW_MIN:
                raise fault(f"must be at least {OVERFLOW_MIN} items", f"{where}/options")
        case _:
            check_keys(element, "action_id options placeholder confirm initial_option", where)
            _options(element, where, SELECT_MAX)
            if "placeholder" in element:
                here = f"{where}/placeholder"
                check_text_object(element["placeholder"], here, PLACEHOLDER_MAX, plain=True)


def _button(element: Json, where: str) -> None:
    check_keys(element, "text action_id value url style confirm accessibility_label", where)
    check_text_object(element.get("text"), f"{where}/text", LABEL_MAX, plain=True)
    if "value" in element:
        check_text(element["value"], f"{where}/value", VALUE_MAX)
    _style(element, where)


def _options(element: Json, where: str, most: int) -> None:
    for number, option in enumerate(check_items(element.get("options"), f"{where}/options", most)):
        here = f"{where}/options/{number}"
        check_keys(option, "text value description url", here)
        check_text_object(option.get("text"), f"{here}/text", LABEL_MAX, plain=True)
        check_text(option.get("value"), f"{here}/value", OPTION_VALUE_MAX)


def _confirm(dialog: Any, where: str) -> None:
    check_keys(dialog, "title text confirm deny style", where)
    limits = (
        ("title", CONFIRM_TITLE_MAX),
        ("text", CONFIRM_TEXT_MAX),
        ("confirm", CONFIRM_BUTTON_MAX),
        ("deny", CONFIRM_BUTTON_MAX),
    )
    for name, most in limits:
        check_text_object(dialog.get(name), f"{where}/{name}", most, plain=True)
    _style(dialog, where)


def _style(element: Json, where: str) -> None:
    if element.get("style", "primary") not in {"primary", "danger"}:
        raise fault("must be one of primary, danger", f"{where}/style")


# -- what a person sees


def controls(blocks: Sequence[Json]) -> Iterator[tuple[Json, Json]]:
    """Every control with the block it stands in."""
    for block in blocks:
        if block["type"] == "actions":
            for element in block["elements"]:
                yield block, element


def buttons(blocks: Sequence[Json]) -> list[tuple[Json, Json]]:
    """Every button with the block it stands in."""
    return [found for found in controls(blocks) if found[1]["type"] == "button"]


def menus(blocks: Sequence[Json]) -> list[tuple[Json, Json]]:
    """Every menu with the block it stands in."""
    return [found for found in controls(blocks) if found[1]["type"] != "button"]


def label_of(element: Json) -> str:
    """What stands on a control; an overflow menu shows three dots only."""
    shown = element.get("text") or element.get("placeholder") or {"text": "…"}
    return str(shown["text"])


def question_of(element: Json) -> str:
    """What a person is asked before it counts; empty if nothing is."""
    return str(element["confirm"]["text"]["text"]) if "confirm" in element else ""
