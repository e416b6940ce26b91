"""Drawing below the past: what stands on a terminal after any series of changes."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.screen import Screen
from tests.gateway.terminal_screen import TerminalScreen

WIDTH, HEIGHT = 30, 8


def stands(terminal: TerminalScreen) -> list[str]:
    """All rows without the empty ones at the end."""
    rows = terminal.visible()
    while rows and not rows[-1]:
        rows.pop()
    return rows


def pair() -> tuple[Screen, TerminalScreen]:
    """A screen and the terminal it is drawn on."""
    return Screen(width=WIDTH, height=HEIGHT), TerminalScreen(width=WIDTH, height=HEIGHT)


def test_an_answer_grows_above_the_typed_line() -> None:
    """Each draw leaves exactly the items and the bottom."""
    screen, terminal = pair()
    terminal.write("$ gatepost chat\r\n")
    for words in (["Hel"], ["Hello", "wor"], ["Hello", "world."]):
        screen.put("m", words)
        terminal.write(screen.draw(["> typed"], 7))
        assert stands(terminal) == ["$ gatepost chat", *words, "> typed"]
        assert (terminal.row, terminal.column) == (len(words) + 1, 7)


def test_an_answer_may_become_shorter_and_go() -> None:
    """A rewound or withdrawn message leaves no traces."""
    screen, terminal = pair()
    screen.put("m", ["one", "two", "three"])
    terminal.write(screen.draw(["hint", "> "], 2))
    screen.put("m", ["one"])
    terminal.write(screen.draw(["> "], 2))
    assert stands(terminal) == ["one", ">"]
    screen.remove("m")
    terminal.write(screen.draw(["> "], 2))
    assert stands(terminal) == [">"]


def test_what_was_typed_may_look_like_what_is_said() -> None:
    """An echo equal to the line that was being typed is drawn as well."""
    screen, terminal = pair()
    terminal.write(screen.draw(["> hi"], 4))
    screen.put("said", ["> hi"])
    terminal.write(screen.draw(["> "], 2))
    assert stands(terminal) == ["> hi", ">"]


def test_a_long_answer_scrolls_off_whole() -> None:
    """All lines of an answer longer than the screen are there to scroll back to, once."""
    screen, terminal = pair()
    lines: list[str] = []
    for number in range(40):
        lines.append(f"line {number}")
        screen.put("m", lines)
        terminal.write(screen.draw(["> "], 2))
    assert stands(terminal) == [*lines, ">"]


def test_a_line_wider_than_the_screen_takes_several_rows() -> None:
    """Code is not wrapped by us; its rows are counted as the terminal wraps it."""
    screen, terminal = pair()
    screen.put("m", ["x" * 70, "end"])
    terminal.write(screen.draw(["> "], 2))
    screen.put("m", ["x" * 70, "ended"])
    terminal.write(screen.draw(["> "], 2))
    assert stands(terminal) == ["x" * 30, "x" * 30, "x" * 10, "ended", ">"]


def test_a_change_of_what_has_scrolled_off_is_shown_again_from_there() -> None:
    """The past cannot be redrawn; the new lines follow below."""
    screen, terminal = pair()
    lines = [f"line {number}" for number in range(20)]
    screen.put("m", lines)
    terminal.write(screen.draw(["> "], 2))
    changed = [*lines[:5], "other", *lines[6:]]
    screen.put("m", changed)
    terminal.write(screen.draw(["> "], 2))
    assert stands(terminal)[-16:] == [*changed[5:], ">"]


def test_leaving_takes_only_the_bottom_away() -> None:
    """The shell's prompt comes where the typed line was."""
    screen, terminal = pair()
    screen.put("m", ["words"])
    terminal.write(screen.draw(["hint", "> half typed"], 12))
    terminal.write(screen.leave())
    assert stands(terminal) == ["words"]
    assert (terminal.row, terminal.column) == (1, 0)


def test_another_size_begins_below() -> None:
    """What stood is left to the terminal's own wrapping."""
    screen, terminal = pair()
    screen.put("m", ["words"])
    terminal.write(screen.draw(["> "], 2))
    terminal.write(screen.resized(width=20, height=HEIGHT))
    screen.put("m", ["words"])
    terminal.write(screen.draw(["> "], 2))
    assert stands(terminal) == ["words", ">", "words", ">"]


line = st.text(st.sampled_from("ab漢 e\u0301"), max_size=70).map(str.strip)
step = st.tuples(
    st.booleans(),
    line,
    st.lists(line, max_size=12),
    st.lists(line.map(lambda text: text[:12]), min_size=1, max_size=2),
)


@given(st.lists(step, max_size=8))
def test_any_stream_stands_whole_in_the_end(
    steps: Sequence[tuple[bool, str, list[str], list[str]]],
) -> None:
    """Items that grow one after another, their last line changing, lose and repeat nothing."""
    screen, terminal = pair()
    items: list[list[str]] = [[]]
    for another, last, more, bottom in steps:
        if another:
            items.append([])
        items[-1] = [*items[-1][:-1], last, *more]
        screen.put(f"m{len(items)}", items[-1])
        terminal.write(screen.draw(bottom, 0))
        target = TerminalScreen(width=WIDTH, height=1000)
        target.write("\r\n".join([*(line for item in items for line in item), *bottom]))
        # An empty last line has a row too, so the cursor tells where the end is.
        assert terminal.visible()[: terminal.row + 1] == target.visible()[: target.row + 1]
