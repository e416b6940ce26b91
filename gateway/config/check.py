"""Pure: a parsed file against schema and rules, all faults at once."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError

from gateway.config import later
from gateway.config.cron_rules import broken_jobs
from gateway.config.destination_rules import broken_destinations
from gateway.config.facts import Broken, Facts
from gateway.config.faults import KeyPath, Wrong
from gateway.config.kinds import CONTEXT_KEY, Section
from gateway.config.reading import closest, type_name
from gateway.config.rules import broken_rules
from gateway.config.schema import ConfigFile
from gateway.config.sources import CREDENTIALS
from gateway.config.spending_rules import broken_spending

SEE: Final = "see docs/configuration.md"

TABLE_LISTS: Final = frozenset({"providers", "policy", "mcp", "cron"})
"""Keys that hold a list of tables, written `[[key]]`."""

_TYPE_FAULTS: Final[Mapping[str, tuple[str, str]]] = {
    "bool_type": ("true or false", "write true or false without quotes"),
    "int_type": ("a whole number", "write it without quotes and without a point"),
    "float_type": ("a number", "write it without quotes"),
    "int_from_float": ("a whole number", "write it without a point"),
    "tuple_type": ("a list", "put the values in [ ]"),
    "dict_type": ("a table", "write { NAME = VALUE }"),
}


def check(
    tree: Mapping[str, Any],
    *,
    faulty: frozenset[KeyPath],
    read_secret_file: Callable[[str], str],
    place: Callable[[str], Path],
) -> tuple[ConfigFile | None, tuple[Broken, ...]]:
    """Validate `tree`; return the file's model, or None and everything wrong with it.

    `faulty` are the keys already known to be wrong; nothing more is said about them.
    `read_secret_file` may read the disk; it raises Wrong.
    """
    broken: list[Broken] = []
    model: ConfigFile | None = None
    try:
        model = ConfigFile.model_validate(tree, context={CONTEXT_KEY: read_secret_file})
    except ValidationError as exc:
        for error in exc.errors(include_url=False):
            path: KeyPath = tuple(key for key in error["loc"] if key != "[key]")
            wrong = _wrong(error, path)
            path += wrong.at
            if not any(path[:end] in faulty for end in range(len(path) + 1)):
                broken.append((path, wrong))
    facts = Facts(tree, faulty | {path for path, _ in broken})
    broken.extend(broken_rules(facts, place))
    broken.extend(broken_spending(facts))
    broken.extend(broken_destinations(facts))
    broken.extend(broken_jobs(facts))
    return (None if broken or faulty else model), tuple(broken)


def _wrong(error: Mapping[str, Any], path: KeyPath) -> Wrong:
    """Put one of the validator's errors into a sentence; values are shown only where harmless."""
    kind, value, limits = error["type"], error["input"], error.get("ctx", {})
    match kind:
        case "value_error":
            cause: Exception = limits["error"]
            return cause if isinstance(cause, Wrong) else Wrong(str(cause), SEE)
        case "missing":
            return _missing(path)
        case "extra_forbidden":
            return _unknown(path)
        case "model_type" | "model_attributes_type":
            return _not_a_table(value, path)
        case "finite_number":
            return Wrong("must be finite", "write a number")
        case "greater_than_equal":
            return Wrong(f"is too small: {float(value):g}", f"write {limits['ge']:g} or more")
        case "less_than_equal":
            return Wrong(f"is too large: {float(value):g}", f"write {limits['le']:g} or less")
    wanted, fix = _TYPE_FAULTS.get(kind, (None, SEE))
    if len(path) == 1 and path[0] in TABLE_LISTS:
        return Wrong("must be a list of tables", f"write [[{path[0]}]] above each entry")
    return Wrong(f"must be {wanted}, not {type_name(value)}" if wanted else error["msg"], fix)


def _not_a_table(value: object, path: KeyPath) -> Wrong:
    header = f"[{_dotted(path)}]"
    if path and path[0] in TABLE_LISTS:
        tables = tuple(key for key in path if isinstance(key, str))
        header = f"[[{tables[0]}]]" if len(tables) == 1 else f"[{_dotted(tables)}]"
    return Wrong(f"must be a table, not {type_name(value)}", f"write its keys under {header}")


def _missing(path: KeyPath) -> Wrong:
    for name, filled in CREDENTIALS.items():
        if filled == path:
            fix = f"add it, or give the systemd credential {name}"
            return Wrong("is missing", fix)
    return Wrong("is missing", "add it")


def _unknown(path: KeyPath) -> Wrong:
    """Say what an unknown key may have been meant to be."""
    if fix := later.fix_for(path):
        return Wrong("not in this version", fix)
    key, parent = str(path[-1]), path[:-1]
    near = closest(key, section_at(parent).model_fields)
    if near:
        return Wrong("unknown key", f'did you mean "{near}"?')
    tables = [_table_of(home) for home in _homes(ConfigFile, ()) if home[-1] == key]
    if tables:
        return Wrong("unknown key here", f"it belongs in {' or '.join(tables)}")
    known = ", ".join(section_at(parent).model_fields)
    return Wrong("unknown key", f"remove it; known here: {known}")


def section_at(path: KeyPath) -> type[Section]:
    """Return the model of the table at `path`; list positions in the path are skipped."""
    section: type[Section] = ConfigFile
    for key in path:
        if isinstance(key, str):
            found = _section_in(_annotation(section, key))
            if found is None:
                raise KeyError(path)
            section = found
    return section


def _annotation(section: type[Section], key: str) -> object:
    """The type of a key, or that of every key where the keys are the operator's own."""
    if key in section.model_fields:
        return section.model_fields[key].annotation
    return section.__annotations__.get("__pydantic_extra__")


def _table_of(path: KeyPath) -> str:
    """Return the header a key stands under, or a table's own."""
    annotation = section_at(path[:-1]).model_fields[str(path[-1])].annotation
    table = path if _section_in(annotation) else path[:-1]
    return f"[[{table[0]}]]" if table[0] in TABLE_LISTS else f"[{_dotted(table)}]"


def _section_in(annotation: object) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)


def _homes(section: type[Section], path: KeyPath) -> Iterator[KeyPath]:
    """Yield the path of every key the schema knows."""
    for name, field in section.model_fields.items():
        yield (*path, name)
        if inner := _section_in(field.annotation):
            yield from _homes(inner, (*path, name))


def _dotted(path: KeyPath) -> str:
    return ".".join(str(key) for key in path)
