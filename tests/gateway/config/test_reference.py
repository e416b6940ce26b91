"""The pages people read say what the schema says."""

import re
from pathlib import Path
from typing import Any

from gateway.config import load
from gateway.config.reference import reference_page
from gateway.config.schema import json_schema

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "gatepost.example.toml"


def _keys(schema: dict[str, Any]) -> set[str]:
    tables = [schema, *schema["$defs"].values()]
    return {key for table in tables for key in table["properties"]}


def test_the_reference_page_is_up_to_date() -> None:
    """docs/configuration.md is what the schema says; `make docs` writes it anew."""
    assert (ROOT / "docs" / "configuration.md").read_text() == reference_page()


def test_the_schema_can_be_written_as_toml() -> None:
    """Neither null nor a generated title is left in it, and every key has its meaning."""
    schema = json_schema()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            assert node.get("type") != "null"
            assert node.get("default", "") is not None
            for key, item in node.get("properties", {}).items():
                assert {"description", "$ref"} & set(item) or "$ref" in item.get("items", {}), key
            for item in node.values():
                walk(item)
        elif isinstance(node, list):
            for item in node:
                walk(item)

    walk(schema)
    assert schema["additionalProperties"] is False


def test_the_example_is_the_defaults(tmp_path: Path) -> None:
    """As it stands the example changes nothing."""
    copied = tmp_path / "gatepost.toml"
    copied.write_text(EXAMPLE.read_text())
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    example, defaults = load(copied, {}), load(empty, {})
    for name in ("gateway", "web", "platforms", "access", "sessions", "providers", "tools"):
        assert getattr(example, name) == getattr(defaults, name)


def test_the_example_shows_every_key_and_loads_with_all_of_them(tmp_path: Path) -> None:
    """With its commented lines taken in, the example is a valid file that leaves no key out."""
    text = re.sub(r"(?m)^# (?=\[|[a-z_]+ = )", "", EXAMPLE.read_text())
    text = text.replace('mode = "polling"', 'mode = "webhook"')
    path = tmp_path / "gatepost.toml"
    path.write_text(text)
    names = set(re.findall(r"\$\{(\w+)\}", text))
    config = load(path, dict.fromkeys(names, "x"))
    assert config.platforms.slack is not None
    keys = re.findall(r"\b(\w+) = ", re.sub(r"(?m)(^|\s)#.*$", "", text))
    shown = set(keys) | set(re.findall(r"\w+", " ".join(re.findall(r"(?m)^\[+([\w.]+)\]", text))))
    assert _keys(json_schema()) - shown == set()
