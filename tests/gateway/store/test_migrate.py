"""Reading numbered schema steps and comparing them with what a database has had."""

from pathlib import Path

import pytest

from gateway.errors import StoreUnusable
from gateway.store.migrate import Applied, Migration, fill, load, packaged, pending

ONE = Migration(number=1, name="one", sql="CREATE TABLE one (id {{serial}});")
TWO = Migration(number=2, name="two", sql="CREATE TABLE two (id {{serial}});")


def applied(migration: Migration) -> Applied:
    """The row a database keeps of a step."""
    return Applied(number=migration.number, name=migration.name, checksum=migration.checksum)


def test_files_are_read_in_order_of_their_numbers(tmp_path: Path) -> None:
    """Other files in the folder are left alone."""
    (tmp_path / "0002_two.sql").write_text(TWO.sql)
    (tmp_path / "0001_one.sql").write_text(ONE.sql)
    (tmp_path / "README").write_text("not a step")
    assert load(tmp_path) == (ONE, TWO)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"0001_one.sql": "", "0003_three.sql": ""}, "without gaps"),
        ({"0001_one.sql": "", "0001_uno.sql": ""}, "without gaps"),
        ({"0000_zero.sql": ""}, "without gaps"),
        ({"1_one.sql": ""}, "NNNN_name"),
        ({"0001_x.sql": "CREATE TABLE x (y INT REFERENCES z DEFERRABLE)"}, "only at the commit"),
    ],
)
def test_a_folder_that_breaks_the_rules(
    tmp_path: Path, files: dict[str, str], complaint: str
) -> None:
    """A mistake in a release is found when it is first loaded."""
    for name, sql in files.items():
        (tmp_path / name).write_text(sql)
    with pytest.raises(ValueError, match=complaint):
        load(tmp_path)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((), (ONE, TWO)),
        ((applied(ONE),), (TWO,)),
        ((applied(ONE), applied(TWO)), ()),
    ],
)
def test_what_is_missing_is_pending(
    rows: tuple[Applied, ...], expected: tuple[Migration, ...]
) -> None:
    """Each step runs once."""
    assert pending((ONE, TWO), rows) == expected


def test_a_newer_database_is_refused() -> None:
    """The sentence names both versions of the schema."""
    with pytest.raises(StoreUnusable, match=r"newer Gatepost \(schema 2, this one knows 1\)"):
        pending((ONE,), (applied(ONE), applied(TWO)))


def test_a_changed_step_is_refused() -> None:
    """A step that was applied in another wording is named."""
    changed = Applied(number=1, name="one", checksum="0" * 64)
    with pytest.raises(StoreUnusable, match=r"schema step 1 \(one\)"):
        pending((ONE, TWO), (changed,))


def test_tokens_are_filled_in_and_unknown_ones_refused() -> None:
    """The checksum is that of the released text, so engines agree on it."""
    assert fill(ONE.sql, {"serial": "BIGSERIAL"}) == "CREATE TABLE one (id BIGSERIAL);"
    with pytest.raises(ValueError, match=r"\{\{clock\}\}"):
        fill("SELECT {{clock}}", {"serial": ""})


def test_the_released_schema_loads() -> None:
    """The steps in the package follow the rules."""
    packaged()
