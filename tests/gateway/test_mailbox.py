"""Inputs: what belongs together, when it is complete, and what it reads as."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import mailbox
from gateway.attached import Attached
from gateway.mailbox import ALBUM, FORWARDED, INPUT_CHARACTERS, PASTE, PASTE_PARTS
from gateway.store.records.inbox import Content, Waiting

NOW = 1_760_000_000_000_000
LONG = "x" * 4_000


def row(number: int, text: str = "", *, at_s: float = 0.0, **fields: Any) -> Waiting:
    """A waiting message of ann's that came `at_s` seconds after NOW."""
    content = Content(kind="message", author="ann", reply_to="chat", text=text or f"m{number}")
    return Waiting(
        id=number,
        account="telegram:77",
        chat="chat",
        lane="turn",
        session_key="session",
        message_id=str(number),
        content=replace(content, **fields),
        received_at=NOW + int(at_s * 1_000_000),
    )


def part(number: int, at_s: float, text: str = LONG) -> Waiting:
    """A piece of a long paste; the last one is short."""
    return row(number, text, at_s=at_s, long=mailbox.may_go_on("telegram", text))


PICTURE = Attached(kind="image", file="f")


def photo(number: int, at_s: float, text: str = "", album: str = "a1") -> Waiting:
    """A picture of an album."""
    return replace(
        plain := row(number, at_s=at_s),
        content=replace(plain.content, album=album, text=text, attachments=(PICTURE,)),
    )


def forwarded(number: int, at_s: float) -> Waiting:
    """A forwarded message."""
    return row(number, at_s=at_s, forwarded=True)


def ids(rows: list[Waiting]) -> list[list[int]]:
    """The inputs of rows, by their ids."""
    return [[each.id for each in group] for group in mailbox.inputs(rows)]


@pytest.mark.parametrize(
    ("platform", "text", "long"),
    [
        ("telegram", "x" * 3_999, False),
        ("telegram", "x" * 4_000, True),
        ("telegram", "😀" * 2_000, True),
        ("telegram", "😀" * 1_999, False),
        ("discord", "x" * 1_899, False),
        ("discord", "x" * 1_900, True),
        ("slack", "x" * 40_000, False),
        ("web", "x" * 40_000, False),
    ],
)
def test_from_which_length_on_more_may_follow(platform: Any, text: str, long: bool) -> None:
    """By each platform's own measure; where clients don't cut, nothing is waited for."""
    assert mailbox.may_go_on(platform, text) is long


@pytest.mark.parametrize(
    ("rows", "inputs", "wait_s"),
    [
        ([], [], 0.0),
        ([row(1)], [[1]], 0.0),
        ([row(1), row(2)], [[1], [2]], 0.0),
        ([part(1, 0.0)], [[1]], 1.5),
        ([part(1, 0.0), part(2, 1.0)], [[1, 2]], 2.5),
        ([part(1, 0.0), part(2, 1.0, "end")], [[1, 2]], 0.0),
        ([part(1, 0.0), part(2, 1.6)], [[1], [2]], 3.1),
        ([part(1, 0.0), part(2, 0.1, "end"), row(3, at_s=0.2)], [[1, 2], [3]], 0.0),
        ([part(1, 0.0), row(2, author="ben")], [[1], [2]], 0.0),
        ([part(1, 0.0), row(2, reply_to="elsewhere")], [[1], [2]], 0.0),
        ([part(1, 0.0), row(2, kind="command", command="new")], [[1], [2]], 0.0),
        ([photo(1, 0.0)], [[1]], 0.8),
        ([photo(1, 0.0), photo(2, 0.5)], [[1, 2]], 1.3),
        ([photo(1, 0.0), photo(2, 0.9)], [[1], [2]], 1.7),
        ([photo(n, n * 0.7) for n in range(5)], [[0, 1, 2, 3, 4]], 3.0),
        ([photo(n, n * 0.7) for n in range(6)], [[0, 1, 2, 3, 4], [5]], 4.3),
        ([photo(1, 0.0), row(2, at_s=0.1)], [[1], [2]], 0.0),
        ([photo(1, 0.0), replace(photo(2, 0.1), account="telegram:78")], [[1], [2]], 0.9),
        ([forwarded(1, 0.0)], [[1]], 0.3),
        ([forwarded(n, n * 0.25) for n in range(6)], [[0, 1, 2, 3, 4, 5]], 1.5),
        ([forwarded(n, n * 0.25) for n in range(8)], [[0, 1, 2, 3, 4, 5, 6], [7]], 2.05),
        ([forwarded(1, 0.0), row(2, at_s=0.1)], [[1], [2]], 0.0),
        ([row(1), forwarded(2, 0.1)], [[1], [2]], 0.4),
        ([photo(2, 0.1), photo(1, 0.0)], [[2, 1]], 0.9),
    ],
)
def test_what_belongs_together(rows: list[Waiting], inputs: list[list[int]], wait_s: float) -> None:
    """The table of windows, each as seen when its last row has just come."""
    assert ids(rows) == inputs
    until = mailbox.complete_at(rows)
    assert (0.0 if until is None else (until - NOW) / 1_000_000) == pytest.approx(wait_s)


def test_another_album_is_another_input() -> None:
    """Two albums in a row are two."""
    assert ids([photo(1, 0.0), photo(2, 0.1, album="a2")]) == [[1], [2]]


def test_a_paste_ends_at_its_twelfth_part() -> None:
    """It is waited for no longer, and what follows is an input of its own."""
    rows = [part(n, n * 0.1) for n in range(PASTE_PARTS)]
    assert mailbox.wait_s(rows, rows[-1].received_at) == 0.0
    assert len(mailbox.inputs([*rows, part(PASTE_PARTS, 1.3)])) == 2


def test_a_paste_ends_before_it_is_too_long() -> None:
    """The part that would bring it over the characters of one input begins the next."""
    text = "x" * (INPUT_CHARACTERS // 3 + 1)
    assert ids([part(n, 0.0, text) for n in range(3)]) == [[0, 1], [2]]


def test_a_clock_set_back_holds_nothing_up() -> None:
    """A row from the future would be waited for for ever."""
    assert mailbox.wait_s([photo(1, 0.0)], NOW - 3_600_000_000) == 0.0
    assert mailbox.wait_s([photo(1, 0.0)], NOW) == pytest.approx(0.8)
    assert mailbox.wait_s([photo(1, 0.0)], NOW + 800_000) == 0.0


def test_an_album_is_read_as_one_message() -> None:
    """Captions joined, exact repeats once, every picture there, the place of the last."""
    group = [photo(1, 0.0, "Sea"), photo(2, 0.1), photo(3, 0.2, "Sea"), photo(4, 0.3, "Sun")]
    one = mailbox.joined(group)
    assert one.content.text == "Sea\nSun"
    assert one.content.attachments == (PICTURE,) * 4
    assert (one.id, one.message_id) == (1, "4")


def test_a_paste_is_read_as_its_lines() -> None:
    """In order, nothing dropped, also where two parts are the same; the first quote stays."""
    group = [part(1, 0.0), part(2, 0.1), part(3, 0.2, "end")]
    quoting = replace(
        group[0], content=replace(group[0].content, quote="before", quote_author="Ben")
    )
    one = mailbox.joined([quoting, *group[1:]])
    assert one.content.text == f"{LONG}\n{LONG}\nend"
    assert (one.content.quote, one.content.quote_author) == ("before", "Ben")


def test_forwarded_messages_are_read_as_paragraphs() -> None:
    """Several of one burst."""
    assert mailbox.joined([forwarded(1, 0.0), forwarded(2, 0.1)]).content.text == "m1\n\nm2"


@pytest.mark.parametrize(
    ("one_by_one", "rows", "taken"),
    [
        (False, [], []),
        (False, [row(1), row(2), row(3, kind="command"), row(4)], [1, 2]),
        (False, [row(1, kind="command"), row(2)], [1]),
        (True, [row(1), row(2)], [1]),
        (True, [row(1, kind="command"), row(2)], [1]),
    ],
)
def test_what_the_next_turn_takes(one_by_one: bool, rows: list[Waiting], taken: list[int]) -> None:
    """Everything before the next command, a command alone, or one by one."""
    assert [each.id for each in mailbox.next_batch(rows, one_by_one=one_by_one)] == taken


@st.composite
def arrivals(draw: st.DrawFn) -> list[Waiting]:
    """Rows in platform order, of every kind, by two people, at times that may run backwards."""
    kinds = st.sampled_from(["text", "long", "album", "other", "forwarded", "command"])
    rows = []
    at_s = 0.0
    for number in range(draw(st.integers(0, 30))):
        at_s += draw(st.floats(-0.2, 2.0))
        kind = draw(kinds)
        given_row = row(
            number,
            "t" * draw(st.sampled_from([1, 10, 9_000])),
            at_s=at_s,
            author=draw(st.sampled_from(["ann", "ben"])),
            kind="command" if kind == "command" else "message",
            long=kind == "long",
            forwarded=kind == "forwarded",
            album={"album": "a1", "other": "a2"}.get(kind, ""),
        )
        rows.append(given_row)
    return rows


@given(rows=arrivals())
def test_inputs_lose_nothing_and_mix_nobody(rows: list[Waiting]) -> None:
    """In order, within the bounds, one person and no command in an input of several."""
    groups = mailbox.inputs(rows)
    assert [each for group in groups for each in group] == rows
    for group in groups:
        times = [each.received_at for each in group]
        widest = max(PASTE.most_s, ALBUM.most_s, FORWARDED.most_s)
        assert max(times) - min(times) <= widest * 1_000_000
        assert len({each.content.author for each in group}) == 1
        if len(group) > 1:
            assert all(each.content.kind == "message" for each in group)
            assert sum(len(each.content.text) for each in group) <= INPUT_CHARACTERS
            assert {each.content.album for each in group} - {""} <= {group[-1].content.album}


@given(rows=arrivals(), cut=st.integers(0, 30))
def test_what_is_complete_stays_as_it_is(rows: list[Waiting], cut: int) -> None:
    """Rows that come later, and rows that are taken away in front, change no other input."""
    groups = mailbox.inputs(rows)
    assert (
        mailbox.inputs(rows[:cut])[:-1]
        == mailbox.inputs(rows)[: len(mailbox.inputs(rows[:cut])[:-1])]
    )
    behind = [each for group in groups[1:] for each in group]
    assert mailbox.inputs(behind) == groups[1:]


@given(rows=arrivals(), now_s=st.floats(-100, 100))
def test_nothing_is_waited_for_longer_than_its_window(rows: list[Waiting], now_s: float) -> None:
    """Whatever the clock says: at most one gap from now, and nothing once that has passed."""
    now = NOW + int(now_s * 1_000_000)
    left = mailbox.wait_s(rows, now)
    assert 0.0 <= left <= PASTE.gap_s
    assert mailbox.wait_s(rows, now + int(left * 1_000_000) + 1) == 0.0
