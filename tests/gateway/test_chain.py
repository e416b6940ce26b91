"""The audit's chain: whatever is done to stored rows, it is found."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chain import (
    GENESIS,
    Broken,
    Entry,
    Intact,
    Link,
    Progress,
    checkpoint,
    finished,
    follow,
    hash_of,
    plain,
    verify,
)

SAID = Link(at=1, kind="press", actor="a", account="s", chat="c", subject="x", detail="{}")


def chained(count: int) -> list[Entry]:
    """A chain of rows that differ."""
    rows: list[Entry] = []
    for number in range(1, count + 1):
        link = replace(SAID, at=number, detail=f'{{"n":{number}}}')
        rows.append(after(rows[-1] if rows else None, link))
    return rows


def after(last: Entry | None, link: Link) -> Entry:
    """The row that follows another."""
    previous = last.hash if last else GENESIS
    seq = last.seq + 1 if last else 1
    return Entry(seq=seq, link=link, previous=previous, hash=hash_of(link, previous))


def test_a_chain_as_written_is_intact() -> None:
    """Rows, last number and head are told; nothing at all is intact too."""
    rows = chained(5)
    assert verify(rows) == Intact(rows=5, seq=5, head=rows[-1].hash)
    assert verify([]) == Intact(rows=0, seq=0, head=GENESIS)


def test_a_chain_may_be_followed_in_pages() -> None:
    """However they are cut."""
    rows = chained(5)
    progress = follow(Progress(), rows[:2])
    assert isinstance(progress, Progress)
    assert finished(follow(progress, rows[2:])) == verify(rows)


@pytest.mark.parametrize("field", ["at", "kind", "actor", "account", "chat", "subject", "detail"])
@pytest.mark.parametrize("index", [0, 2, 4])
def test_an_altered_field_is_found(field: str, index: int) -> None:
    """In every column of every row."""
    rows = chained(5)
    other: Any = 99 if field == "at" else '{"n":9}'
    rows[index] = replace(rows[index], link=replace(rows[index].link, **{field: other}))
    assert verify(rows) == Broken(seq=index + 1, reason="it was altered")


def test_text_cannot_move_between_fields() -> None:
    """What stands in one column is not the same in the next."""
    assert hash_of(replace(SAID, account="ab", chat="c"), GENESIS) != hash_of(
        replace(SAID, account="a", chat="bc"), GENESIS
    )


def test_an_altered_row_with_a_new_hash_is_found() -> None:
    """The next row still names the old one."""
    rows = chained(3)
    link = replace(rows[1].link, actor="somebody else")
    rows[1] = replace(rows[1], link=link, hash=hash_of(link, rows[1].previous))
    found = verify(rows)
    assert isinstance(found, Broken)
    assert found.seq == 3


@pytest.mark.parametrize("index", [0, 1, 3])
def test_a_removed_row_is_found(index: int) -> None:
    """In the middle by its neighbour, at the front because nothing vouches for it."""
    rows = chained(5)
    del rows[index]
    found = verify(rows)
    assert isinstance(found, Broken)
    assert found.seq == index + 2


def test_rows_that_changed_places_are_found() -> None:
    """With their numbers or without."""
    rows = chained(5)
    swapped = [rows[0], replace(rows[2], seq=2), replace(rows[1], seq=3), *rows[3:]]
    assert verify(swapped) == Broken(seq=2, reason="a row before it was removed, added or moved")


def test_rows_cut_off_at_the_end_change_the_head() -> None:
    """Only a head noted elsewhere tells."""
    rows = chained(5)
    found = verify(rows[:3])
    assert isinstance(found, Intact)
    assert found.head != rows[-1].hash


def test_a_checkpoint_vouches_for_what_was_taken_away() -> None:
    """A later row of the same chain names the last hash that is gone."""
    rows = chained(6)
    rows.append(after(rows[-1], checkpoint(rows[2], count=3, now=9)))
    kept = rows[3:]
    assert verify(kept) == Intact(rows=4, seq=7, head=rows[-1].hash)
    assert isinstance(verify(rows[4:]), Broken)
    assert isinstance(verify(kept[:-1]), Broken)


def test_the_newest_of_several_checkpoints_counts() -> None:
    """Older ones vouch for rows before the first that is left."""
    rows = chained(6)
    for last in (rows[1], rows[3]):
        rows.append(after(rows[-1], checkpoint(last, count=2, now=9)))
    assert isinstance(verify(rows[4:]), Intact)
    assert isinstance(verify(rows[2:]), Intact)
    assert isinstance(verify(rows[3:]), Broken)


@pytest.mark.parametrize("detail", ["", "[]", "{", '{"hash":1}', "\ud800", "9007199254740993"])
def test_nonsense_in_a_row_is_broken_not_an_error(detail: str) -> None:
    """Whatever somebody wrote into the table."""
    rows = chained(3)
    bad = replace(rows[1].link, kind="checkpoint", detail=detail)
    rows[1] = replace(rows[1], link=bad)
    assert isinstance(verify(rows[1:]), Broken)


@given(st.lists(st.integers(0, 7), max_size=10))
def test_only_the_chain_itself_is_intact(order: list[int]) -> None:
    """No selection or order of its rows passes, but its own beginning."""
    rows = chained(8)
    picked = [rows[index] for index in order]
    assert isinstance(verify(picked), Intact) is (picked == rows[: len(picked)])


def test_any_text_has_a_spelling() -> None:
    """Half a character in a name does not undo what was decided."""
    told = plain({"name\ud800": ["\ud83d\ude00", ("x",)], "n": 1})
    assert told == {"name\ufffd": ["\U0001f600", ["x"]], "n": 1}
