"""Every key of any valid TOML document is found on its line."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.faults import KeyPath
from gateway.config.lines import key_lines, line_of

TRICKY = '''\
# [not.a.table]
top = "a # no comment [x] \\" = 'y'"   # a comment = 1
[a."b.c".'d"e']
x = """
[fake]
k = "v" \\
""" # after
y = \'\'\'
z = 1 ]] } \'\'\'\'\'
  dotted . "k e y" . last = [ # list
    1, [2,
    3], # three
    { in = [4], "q\\u0041" = """}""" },
  ]
when = 1979-05-27 07:32:00
[[t]]
n = 0
[t.sub]
m = 1
[[t]]
[[t.inner]]
o = 2
[[t.inner]]
o = 3
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("a",), 3),
        (("a", "b.c", 'd"e'), 3),
        (("a", "b.c", 'd"e', "x"), 4),
        (("a", "b.c", 'd"e', "y"), 8),
        (("a", "b.c", 'd"e', "dotted", "k e y", "last"), 10),
        (("a", "b.c", 'd"e', "dotted", "k e y", "last", 1), 11),
        (("a", "b.c", 'd"e', "dotted", "k e y", "last", 1, 1), 12),
        (("a", "b.c", 'd"e', "dotted", "k e y", "last", 2, "in", 0), 13),
        (("a", "b.c", 'd"e', "dotted", "k e y", "last", 2, "qA"), 13),
        (("a", "b.c", 'd"e', "when"), 15),
        (("t",), 16),
        (("t", 0, "n"), 17),
        (("t", 0, "sub", "m"), 19),
        (("t", 1), 20),
        (("t", 1, "inner", 0, "o"), 22),
        (("t", 1, "inner", 1), 23),
        (("t", 1, "inner", 1, "o"), 24),
    ],
)
def test_finds_keys_between_strings_lists_and_comments(path: KeyPath, line: int) -> None:
    """What only looks like a key, inside a string or comment, moves nothing."""
    assert key_lines(TRICKY)[path] == line


def test_a_missing_key_is_blamed_on_its_table() -> None:
    """The nearest table around a path that is not there gives the line."""
    lines = key_lines(TRICKY)
    assert line_of(("t", 0, "missing"), lines) == 16
    assert line_of(("nowhere",), lines) is None


def paths_of(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    """Return the path of every key and list item of a parsed document."""
    found: list[KeyPath] = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += paths_of(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += paths_of(item, (*path, index))
    return found


SPACE = st.sampled_from(["", " ", "\t "])
FILLER = st.sampled_from(["", "# [x] = 'y'\n", "\n", " \t\n", "#\n"])
QUOTED = st.text(
    alphabet=st.characters(exclude_categories=("Cc", "Cs"), exclude_characters='"\\'), max_size=6
).map(lambda text: f'"{text}"')
BARE = st.from_regex(r"[A-Za-z0-9_-]{1,5}", fullmatch=True)
KEY = BARE | QUOTED | st.just("'lit.key'")
SCALAR = st.sampled_from(
    [
        "1",
        "true",
        "-1.5e3",
        "1979-05-27T07:32:00Z",
        "07:32:00",
        '"]}#,="',
        "'\\'",
        '"""\n[x]\n"" \\"""" y\n"""',
        "'''\n'' # \n'''",
        '""""""',
        '"""x"""""',
        "'''y'''''",
    ]
)


def _list(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    gap = st.sampled_from(["", "\n", " # ] c\n", " "])
    return st.tuples(st.lists(items, max_size=3), gap, st.booleans()).map(
        lambda drawn: (
            "["
            + drawn[1]
            + f",{drawn[1]}".join(drawn[0])
            + (f"{drawn[1]}," if drawn[2] and drawn[0] else "")
            + drawn[1]
            + "]"
        )
    )


def _inline(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.dictionaries(BARE, items, max_size=3).map(
        lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
    )


VALUE = st.recursive(SCALAR, lambda items: _list(items) | _inline(items), max_leaves=6)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[KeyPath, int]]:
    """A document and the line of each of its own keys, noted while it was written."""
    text = ""
    lines: dict[KeyPath, int] = {}
    arrays = 0
    table: KeyPath

    def body(table: KeyPath) -> None:
        nonlocal text
        for key, value in draw(st.dictionaries(KEY, VALUE, max_size=3)).items():
            name = tomllib.loads(f"{key} = 1")
            text += draw(FILLER) + draw(SPACE)
            lines[(*table, *name)] = text.count("\n") + 1
            text += f"{key}{draw(SPACE)}={draw(SPACE)}{value}{draw(SPACE)}\n"

    body(())
    for index in range(draw(st.integers(0, 4))):
        text += draw(FILLER)
        header, table = f"[ t{index} . 'x y' ]", (f"t{index}", "x y")
        if draw(st.booleans()):
            header, table = "[[many]]", ("many", arrays)
            arrays += 1
        lines[table] = text.count("\n") + 1
        text += f"{header}{draw(SPACE)}# c\n"
        body(table)
    return text, lines


@given(documents())
def test_any_document(document: tuple[str, dict[KeyPath, int]]) -> None:
    """Each key stands where the writer put it, and no key or item of the result is missing."""
    text, written = document
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # the same key drawn bare and quoted
    lines = key_lines(text)
    assert {path: lines[path] for path in written} == written
    assert set(paths_of(tree)) <= set(lines)
