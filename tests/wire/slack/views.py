"""What Slack refuses in a modal before anybody sees it. Pure.

Source: docs.slack.dev/reference/views/modal-views, block-kit/blocks/input-block and
block-elements/plain-text-input-element.
"""

import json
from typing import Any

from tests.wire.slack.checks import (
    Invalid,
    Json,
    Refusal,
    check_keys,
    check_number,
    check_text,
    check_text_object,
    fault,
)
from tests.wire.slack.controls import ACTION_ID_MAX, PLACEHOLDER_MAX
from tests.wire.slack.rules import ID_MAX, check_block, check_unique

VIEW_BLOCKS_MAX = 100
TITLE_MAX = 24
PRIVATE_METADATA_MAX = 3_000
CALLBACK_ID_MAX = 255
INPUT_LABEL_MAX = 2_000
INPUT_MAX = 3_000
VIEW_MAX_BYTES = 250_000

_VIEW = "title blocks close submit private_metadata callback_id clear_on_close notify_on_close"
_INPUT = "action_id initial_value multiline min_length max_length dispatch_action_config"


def check_view(view: Any) -> Json:
    """A modal as given; raises Refusal in Slack's words for what it would not take."""
    if isinstance(view, str):
        try:
            view = json.loads(view)
        except ValueError as exc:
            raise Refusal("invalid_arguments") from exc
    if not isinstance(view, dict):
        raise Refusal("invalid_arguments")
    if len(json.dumps(view).encode()) > VIEW_MAX_BYTES:
        raise Refusal("view_too_large")
    try:
        _modal(view)
    except Invalid as exc:
        raise Refusal("invalid_arguments", errors=[str(exc)]) from exc
    return view


def _modal(view: Json) -> None:
    where = "/view"
    check_keys(view, f"{_VIEW} external_id submit_disabled", where)
    if view.get("type") != "modal":
        raise fault(f"unsupported type: {view.get('type')}", f"{where}/type")
    check_text_object(view.get("title"), f"{where}/title", TITLE_MAX, plain=True)
    for name in {"submit", "close"} & view.keys():
        check_text_object(view[name], f"{where}/{name}", TITLE_MAX, plain=True)
    for name, most in (
        ("private_metadata", PRIVATE_METADATA_MAX),
        ("callback_id", CALLBACK_ID_MAX),
        ("external_id", ID_MAX),
    ):
        if view.get(name, "") != "":
            check_text(view[name], f"{where}/{name}", most)
    blocks = view.get("blocks")
    if not isinstance(blocks, list):
        raise fault("must provide an array", f"{where}/blocks")
    if len(blocks) > VIEW_BLOCKS_MAX:
        raise fault(f"no more than {VIEW_BLOCKS_MAX} items allowed", f"{where}/blocks")
    for number, block in enumerate(blocks):
        here = f"{where}/blocks/{number}"
        if isinstance(block, dict) and block.get("type") == "input":
            _input(block, here)
        else:
            check_block(block, here)
    check_unique(blocks, "block_id", f"{where}/blocks")
    if inputs(view) and "submit" not in view:
        raise fault("missing required field: submit", where)


def _input(block: Json, where: str) -> None:
    check_keys(block, "label element hint optional dispatch_action", where)
    if "block_id" in block:
        check_text(block["block_id"], f"{where}/block_id", ID_MAX)
    check_text_object(block.get("label"), f"{where}/label", INPUT_LABEL_MAX, plain=True)
    if "hint" in block:
        check_text_object(block["hint"], f"{where}/hint", INPUT_LABEL_MAX, plain=True)
    element, here = block.get("element"), f"{where}/element"
    if not isinstance(element, dict) or element.get("type") != "plain_text_input":
        raise fault("unsupported type", f"{here}/type")
    check_keys(element, f"{_INPUT} focus_on_load placeholder", here)
    if "action_id" in element:
        check_text(element["action_id"], f"{here}/action_id", ACTION_ID_MAX)
    most = element.get("max_length", INPUT_MAX)
    check_number(most, f"{here}/max_length", 1, INPUT_MAX)
    check_number(element.get("min_length", 0), f"{here}/min_length", 0, INPUT_MAX)
    if "initial_value" in element:
        check_text(element["initial_value"], f"{here}/initial_value", most)
    if "placeholder" in element:
        check_text_object(
            element["placeholder"], f"{here}/placeholder", PLACEHOLDER_MAX, plain=True
        )


def inputs(view: Json) -> list[Json]:
    """The fields of a modal."""
    return [block for block in view["blocks"] if block["type"] == "input"]
