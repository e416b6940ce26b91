"""What Discord takes as controls of a message and as a form, and what filling one in makes of it.

Source: Discord documentation, "Component Reference" and "Modal" of "Interaction Response Object".
"""

from collections.abc import Iterator, Mapping, Sequence

from tests.wire.discord.rules import invalid, too_long
from tests.wire.discord.world import Json

ROW, BUTTON, SELECT, TEXT_INPUT, LABEL = 1, 2, 3, 4, 18
LABEL_MAX = 80
CUSTOM_ID_MAX = 100
ROWS_MAX = 5
PER_ROW_MAX = 5
COMPONENTS_MAX = 40
OPTIONS_MAX = 25
OPTION_TEXT_MAX = 100
PLACEHOLDER_MAX = 150
TITLE_MAX = 45
FIELDS_MAX = 5
FIELD_LABEL_MAX = 45
FIELD_HINT_MAX = 100
FIELD_MAX = 4_000
_SHORT, _PARAGRAPH = 1, 2
_LINK = 5


# Controls of a message.


def check_components(components: object) -> tuple[Json, ...]:
    """Rows of buttons, and menus each alone in its row; anything else is refused."""
    if components is None:
        return ()
    if not isinstance(components, list):
        raise invalid("components", "LIST_TYPE_CONVERT", "Only iterables may be used.")
    if len(components) > ROWS_MAX:
        raise invalid("components", "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {ROWS_MAX}.")
    seen: set[str] = set()
    total = 0
    for number, row in enumerate(components):
        path = f"components.{number}"
        if not isinstance(row, dict) or row.get("type") != ROW:
            raise invalid(f"{path}.type", "UNION_TYPE_CHOICES", "Value must be one of (1,).")
        parts = row.get("components") or []
        total += 1 + len(parts)
        _check_row(f"{path}.components", parts, seen)
    if total > COMPONENTS_MAX:
        raise invalid("components", "BASE_TYPE_BAD_LENGTH", f"Max {COMPONENTS_MAX} components.")
    return tuple(components)


def _check_row(path: str, parts: Sequence[Json], seen: set[str]) -> None:
    if not 1 <= len(parts) <= PER_ROW_MAX:
        raise invalid(path, "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {PER_ROW_MAX}.")
    if len(parts) > 1 and any(part.get("type") == SELECT for part in parts):
        raise invalid(path, "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "The specified component exceeds")
    for place, part in enumerate(parts):
        match part.get("type"):
            case 2:
                _check_button(f"{path}.{place}", part, seen)
            case 3:
                _check_menu(f"{path}.{place}", part, seen)
            case _:
                raise invalid(
                    f"{path}.{place}.type", "UNION_TYPE_CHOICES", "Value must be one of (2, 3)."
                )


def _check_button(path: str, part: Json, seen: set[str]) -> None:
    if part.get("style") not in {1, 2, 3, 4, _LINK}:
        raise invalid(f"{path}.style", "BASE_TYPE_CHOICES", "Value must be one of (1 to 5).")
    label = part.get("label")
    if not label and not part.get("emoji"):
        raise invalid(f"{path}.label", "BASE_TYPE_REQUIRED", "A button needs a label or an emoji.")
    if label and len(label) > LABEL_MAX:
        raise too_long(f"{path}.label", LABEL_MAX)
    if part["style"] != _LINK:
        _check_custom_id(path, part, seen)


def _check_menu(path: str, part: Json, seen: set[str]) -> None:
    _check_custom_id(path, part, seen)
    _check_length(path, part, "placeholder", 0, PLACEHOLDER_MAX)
    options = part.get("options") or []
    if not 1 <= len(options) <= OPTIONS_MAX:
        raise invalid(f"{path}.options", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 25.")
    values: set[str] = set()
    for number, option in enumerate(options):
        place = f"{path}.options.{number}"
        _check_length(place, option, "label", 1, OPTION_TEXT_MAX)
        _check_length(place, option, "value", 1, OPTION_TEXT_MAX)
        _check_length(place, option, "description", 0, OPTION_TEXT_MAX)
        if option["value"] in values:
            raise invalid(f"{place}.value", "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "Twice.")
        values.add(option["value"])


def _check_custom_id(path: str, part: Json, seen: set[str]) -> None:
    _check_length(path, part, "custom_id", 1, CUSTOM_ID_MAX)
    custom_id = part["custom_id"]
    if custom_id in seen:
        raise invalid(
            f"{path}.custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id duplicated"
        )
    seen.add(custom_id)


def _check_length(path: str, part: Json, name: str, least: int, most: int) -> None:
    text = part.get(name)
    if text is None and not least:
        return
    if not isinstance(text, str) or len(text) < least:
        raise invalid(f"{path}.{name}", "BASE_TYPE_REQUIRED", "This field is required")
    if len(text) > most:
        raise too_long(f"{path}.{name}", most)


# Forms.


def check_modal(data: Json) -> Json:
    """A form: a title and one to five fields, each in a label or, as before, in a row."""
    _check_length("data", data, "title", 1, TITLE_MAX)
    _check_length("data", data, "custom_id", 1, CUSTOM_ID_MAX)
    parts = data.get("components") or ()
    if not 1 <= len(parts) <= FIELDS_MAX:
        raise invalid("data.components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5.")
    seen: set[str] = set()
    for number, part in enumerate(parts):
        path = f"data.components.{number}"
        match part.get("type"):
            case 18:
                _check_length(path, part, "label", 1, FIELD_LABEL_MAX)
                _check_length(path, part, "description", 0, FIELD_HINT_MAX)
                _check_field(f"{path}.component", part.get("component") or {}, seen)
            case 1 if len(part.get("components") or ()) == 1:
                [field] = part["components"]
                _check_length(f"{path}.components.0", field, "label", 1, FIELD_LABEL_MAX)
                _check_field(f"{path}.components.0", field, seen)
            case _:
                raise invalid(f"{path}.type", "UNION_TYPE_CHOICES", "Value must be of (1, 18).")
    return data


def _check_field(path: str, field: Json, seen: set[str]) -> None:
    if field.get("type") != TEXT_INPUT:
        raise invalid(f"{path}.type", "UNION_TYPE_CHOICES", "Value must be one of (4,).")
    if field.get("style") not in {_SHORT, _PARAGRAPH}:
        raise invalid(f"{path}.style", "BASE_TYPE_CHOICES", "Value must be one of (1, 2).")
    _check_custom_id(path, field, seen)
    _check_length(path, field, "placeholder", 0, FIELD_HINT_MAX)
    _check_length(path, field, "value", 0, FIELD_MAX)
    for name, least in (("min_length", 0), ("max_length", 1)):
        bound = field.get(name)
        if bound is not None and not least <= bound <= FIELD_MAX:
            raise invalid(f"{path}.{name}", "NUMBER_TYPE_MAX", f"{least} to {FIELD_MAX}.")


def fields_of(modal: Json) -> Iterator[tuple[str, Json]]:
    """Each text input of a form with the words above it."""
    for part in modal["components"]:
        if part["type"] == LABEL:
            yield part["label"], part["component"]
        else:
            yield part["components"][0]["label"], part["components"][0]


def filled_in(modal: Json, values: Mapping[str, str]) -> Json:
    """What a form says once it is sent; a field not named keeps what stood in it.

    Raises AssertionError where Discord's client would not let it be sent.
    """
    inputs = {field["custom_id"]: field for _, field in fields_of(modal)}
    if unknown := set(values) - set(inputs):
        raise AssertionError(f"no such fields: {unknown} in {set(inputs)}")
    texts = {name: values.get(name, field.get("value") or "") for name, field in inputs.items()}
    for name, field in inputs.items():
        _check_text(texts[name], field)
    parts = []
    for number, part in enumerate(modal["components"]):
        inner = part["component"] if part["type"] == LABEL else part["components"][0]
        name = inner["custom_id"]
        told = {"type": TEXT_INPUT, "id": 2 * number + 2, "custom_id": name, "value": texts[name]}
        outer: Json = {"type": part["type"], "id": 2 * number + 1}
        parts.append(
            {**outer, "component": told}
            if part["type"] == LABEL
            else {**outer, "components": [told]}
        )
    return {"custom_id": modal["custom_id"], "components": parts}


def _check_text(text: str, field: Json) -> None:
    name = field["custom_id"]
    least = max(field.get("min_length") or 0, 1 if field.get("required", True) else 0)
    if not text and not field.get("required", True):
        return
    if len(text) < least:
        raise AssertionError(f"field {name!r} is not filled in")
    if len(text) > (field.get("max_length") or FIELD_MAX):
        raise AssertionError(f"field {name!r} does not take {len(text)} characters")
    if field["style"] == _SHORT and "\n" in text:
        raise AssertionError(f"field {name!r} has one line")
