"""Changes by the `files` tool: what asks, what is shown, and that only what was shown runs."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import NotStarted
from agent.messages import ResultStatus
from agent.tools.base import (
    CallContext,
    EffectClass,
    InspectingTool,
    Malformed,
    PreparedCall,
    RiskTag,
    Verdict,
)
from agent.tools.files import FilesTool

DESTRUCTIVE = frozenset({RiskTag.DESTRUCTIVE})
SAFE: frozenset[RiskTag] = frozenset()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "workspace"
    place.mkdir()
    return place


@pytest.fixture
def tool(root: Path) -> FilesTool:
    return FilesTool(workspace=root)


def context(session: str = "s1", call_id: str = "c1") -> CallContext:
    return CallContext(call_id=call_id, session=session)


async def looked(
    tool: FilesTool, operation: str, *, session: str = "s1", **arguments: Any
) -> PreparedCall | Malformed | None:
    call = tool.prepare({"operation": operation, **arguments})
    assert isinstance(call, PreparedCall), call
    return await tool.inspect(call, context(session))


async def seen(tool: FilesTool, operation: str, **arguments: Any) -> PreparedCall:
    call = await looked(tool, operation, **arguments)
    assert isinstance(call, PreparedCall), call
    return call


async def did(tool: FilesTool, operation: str, **arguments: Any) -> str:
    call = await seen(tool, operation, **arguments)
    return (await tool.run(call, context(arguments.get("session", "s1")))).text


async def made(tool: FilesTool, path: str, content: str, session: str = "s1") -> None:
    assert "Created" in await did(tool, "write", path=path, content=content, session=session)


# What the gate is told: every default.

DEFAULTS = [
    ("read", "", EffectClass.PURE, Verdict.ALLOW, SAFE, "file"),
    ("list", "", EffectClass.PURE, Verdict.ALLOW, SAFE, "file"),
    ("search", "", EffectClass.PURE, Verdict.ALLOW, SAFE, "file"),
    ("write", "", EffectClass.KEYED, Verdict.ALLOW, SAFE, ""),
    ("write", "s1", EffectClass.KEYED, Verdict.ALLOW, SAFE, ""),
    ("write", "s2", EffectClass.KEYED, Verdict.ASK, DESTRUCTIVE, ""),
    ("write", "person", EffectClass.KEYED, Verdict.ASK, DESTRUCTIVE, ""),
    ("edit", "s1", EffectClass.KEYED, Verdict.ALLOW, SAFE, ""),
    ("edit", "s2", EffectClass.KEYED, Verdict.ASK, DESTRUCTIVE, ""),
    ("edit", "person", EffectClass.KEYED, Verdict.ASK, DESTRUCTIVE, ""),
    ("delete", "s1", EffectClass.ONCE, Verdict.ASK, DESTRUCTIVE, ""),
    ("delete", "person", EffectClass.ONCE, Verdict.ASK, DESTRUCTIVE, ""),
]
FIELDS: dict[str, dict[str, str]] = {
    "read": {"path": "a"},
    "list": {},
    "search": {"query": "x"},
    "write": {"path": "a", "content": "new"},
    "edit": {"path": "a", "old": "one", "new": "two"},
    "delete": {"path": "a"},
}


@pytest.mark.parametrize("row", DEFAULTS, ids=lambda row: f"{row[0]} of {row[1] or 'nobody'}")
async def test_defaults(tool: FilesTool, root: Path, row: tuple[Any, ...]) -> None:
    """Reading and new files are allowed, this session's files too; what else is there asks."""
    operation, maker, effect, default, tags, taints = row
    if maker == "person":
        (root / "a").write_text("one")
    elif maker:
        await made(tool, "a", "one", session=maker)
    call = await seen(tool, operation, **FIELDS[operation])
    assert (call.effect, call.default, call.tags, call.taints) == (effect, default, tags, taints)
    assert (call.reason == "") is (default is Verdict.ALLOW)
    assert tool.prepare(call.arguments) == call, "the stored arguments make the same call"


def test_outside_is_denied(tool: FilesTool) -> None:
    """A path that leads out is refused before anyone is asked, whatever the operation."""
    for operation, fields in FIELDS.items():
        for path in ("../a", "/etc/passwd"):
            refused = tool.prepare({"operation": operation, **fields, "path": path})
            assert isinstance(refused, Malformed)


def test_it_looks_before_it_is_judged(tool: FilesTool) -> None:
    """The gate knows to ask the tool for facts."""
    assert isinstance(tool, InspectingTool)


async def test_a_file_somebody_changed_is_not_this_sessions(tool: FilesTool, root: Path) -> None:
    """Made here means: written in this session and the same since."""
    await made(tool, "a", "one")
    (root / "a").write_text("one!")
    assert (await seen(tool, "write", path="a", content="x")).default is Verdict.ASK


async def test_claimed_facts_are_overwritten(tool: FilesTool, root: Path) -> None:
    """What the model says was shown, or was made here, is looked up."""
    (root / "a").write_text("one")
    call = await seen(tool, "write", path="a", content="x", made_here=True, shown="absent")
    assert call.default is Verdict.ASK
    assert call.arguments["made_here"] is False
    assert call.arguments["size"] == 3


async def test_the_card_names_what_is_there(tool: FilesTool, root: Path) -> None:
    """Size and hash of what would go, in one line."""
    (root / "a").write_text("one")
    assert (await seen(tool, "write", path="a", content="x")).summary == (
        "replaces a (3 bytes, sha256 7692c3ad)"
    )
    assert (await seen(tool, "delete", path="a")).summary.startswith("removes a (3 bytes")
    assert (await seen(tool, "write", path="b", content="x")).summary == "makes b, a new file"


@pytest.mark.parametrize(
    ("operation", "fields", "words"),
    [
        ("edit", {"path": "a", "old": "", "new": "x"}, "'old' is empty"),
        ("edit", {"path": "a", "old": "x", "new": "x"}, "nothing would change"),
        ("edit", {"path": "a", "old": "x"}, "'new' is missing"),
        ("delete", {"path": "a", "content": "x"}, "Unknown field 'content'"),
        ("write", {"path": "a", "content": "x", "shown": 7}, "Unknown field 'shown'"),
        ("read", {"path": "a", "shown": "absent"}, "Unknown field 'shown'"),
    ],
)
def test_calls_that_do_not_fit(
    tool: FilesTool, operation: str, fields: dict[str, Any], words: str
) -> None:
    """Each answer says what would."""
    refused = tool.prepare({"operation": operation, **fields})
    assert isinstance(refused, Malformed)
    assert words in refused.text


@pytest.mark.parametrize(
    ("operation", "fields", "words"),
    [
        ("edit", {"path": "gone", "old": "x", "new": "y"}, "There is no gone. If a call of this"),
        ("edit", {"path": "a", "old": "three", "new": "y"}, "stands 0 times in a. Copy it"),
        ("edit", {"path": "a", "old": "one", "new": "y"}, "stands 2 times in a. Take more"),
        ("edit", {"path": "d", "old": "x", "new": "y"}, "d is a directory"),
        ("delete", {"path": "gone"}, "There is no gone."),
        ("delete", {"path": "no/such"}, "There is no no/such."),
        ("delete", {"path": "d"}, "d is a directory"),
        ("delete", {"path": "link"}, "links are not followed"),
        ("delete", {"path": "."}, "A file needs a name"),
        ("write", {"path": "d", "content": ""}, "d is a directory"),
    ],
)
async def test_what_can_not_be_done_is_said_before_anyone_is_asked(
    tool: FilesTool, root: Path, operation: str, fields: dict[str, Any], words: str
) -> None:
    """A change that could not run is malformed, with what would help."""
    (root / "a").write_text("one two one")
    (root / "d").mkdir()
    (root / "link").symlink_to("a")
    refused = await looked(tool, operation, **fields)
    assert isinstance(refused, Malformed)
    assert words in refused.text


# Running.


async def test_an_edit(tool: FilesTool, root: Path) -> None:
    """One exact piece changes, the rest, line ends and rights stay."""
    (root / "a").write_bytes(b"one\r\ntwo\r\n")
    (root / "a").chmod(0o750)
    text = await did(tool, "edit", path="a", old="one\r\n", new="öne\r\n")
    assert text == "Replaced a (11 bytes)."
    assert (root / "a").read_bytes() == "öne\r\ntwo\r\n".encode()
    assert (root / "a").stat().st_mode & 0o777 == 0o750
    again = await seen(tool, "edit", path="a", old="two", new="x")
    assert again.default is Verdict.ASK, "a changed piece does not make the rest this session's"


async def test_an_approved_overwrite(tool: FilesTool, root: Path) -> None:
    """What was asked about runs, and the file is this session's from then on."""
    (root / "a").write_text("theirs")
    assert await did(tool, "write", path="a", content="ours") == "Replaced a (4 bytes)."
    assert (await seen(tool, "write", path="a", content="x")).default is Verdict.ALLOW


async def test_a_delete(tool: FilesTool, root: Path) -> None:
    """The file is gone; the next write of its name is a new file."""
    await made(tool, "a", "one")
    assert await did(tool, "delete", path="a") == "Deleted a."
    assert not (root / "a").exists()
    assert (await seen(tool, "write", path="a", content="x")).arguments["shown"] == "absent"


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        ("write", {"content": "new"}),
        ("edit", {"old": "one", "new": "two"}),
        ("delete", {}),
    ],
)
@pytest.mark.parametrize("then", ["one more", "", None])
async def test_what_changed_since_is_left_alone(
    tool: FilesTool, root: Path, operation: str, fields: dict[str, Any], then: str | None
) -> None:
    """A file that is not what was shown is not touched, and nothing was begun."""
    (root / "a").write_text("one")
    call = await seen(tool, operation, path="a", **fields)
    (root / "a").unlink() if then is None else (root / "a").write_text(then)
    try:
        output = await tool.run(call, context())
    except NotStarted as error:
        assert "no longer what was shown" in str(error)
    except Exception as error:
        assert then is None, error
    else:
        pytest.fail(output.text)
    assert ((root / "a").read_text() if then is not None else None) == then


async def test_a_new_file_that_appeared_is_left_alone(tool: FilesTool, root: Path) -> None:
    """What was shown as new is not written over what came meanwhile."""
    call = await seen(tool, "write", path="a", content="ours")
    (root / "a").write_text("theirs")
    with pytest.raises(NotStarted):
        await tool.run(call, context())
    assert (root / "a").read_text() == "theirs"


@pytest.mark.parametrize("operation", ["edit", "delete"])
async def test_what_was_not_looked_at_does_not_run(
    tool: FilesTool, root: Path, operation: str
) -> None:
    """Without facts an edit or a delete does not begin."""
    (root / "a").write_text("one")
    call = tool.prepare({"operation": operation, **FIELDS[operation]})
    assert isinstance(call, PreparedCall)
    with pytest.raises(NotStarted, match="could not be looked at"):
        await tool.run(call, context())
    assert (root / "a").read_text() == "one"


@pytest.mark.parametrize("operation", ["write", "edit"])
async def test_a_change_that_is_run_again_changes_nothing(
    tool: FilesTool, root: Path, operation: str
) -> None:
    """After a crash the same stored call finds its work done."""
    (root / "a").write_text("one")
    call = await seen(tool, operation, **FIELDS[operation])
    await tool.run(call, context())
    content, inode = (root / "a").read_text(), (root / "a").stat().st_ino
    output = await tool.run(call, context())
    assert output.status is ResultStatus.DONE
    assert ((root / "a").read_text(), (root / "a").stat().st_ino) == (content, inode)


async def test_many_edits_at_once(tool: FilesTool, root: Path) -> None:
    """Of calls that were shown the same file one runs, and no word of it is lost."""
    (root / "a").write_text("one two three four")
    words = ("one", "two", "three", "four")
    calls = [await seen(tool, "edit", path="a", old=w, new=w.upper()) for w in words]
    outcomes = await asyncio.gather(
        *(tool.run(call, context(call_id=f"c{n}")) for n, call in enumerate(calls)),
        return_exceptions=True,
    )
    done = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, NotStarted)]
    assert len(done) == 1
    word = words[done[0]]
    assert (root / "a").read_text() == "one two three four".replace(word, word.upper())
    assert (await tool.run(await seen(tool, "list"), context())).text.startswith("a (18 bytes)")


# Preparing.

ANY = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.lists(st.text(), max_size=2)
)
OPERATIONS = st.sampled_from((*FIELDS, " EDIT ", "x"))
FIELD_NAMES = (
    *("path", "content", "old", "new", "query", "shown", "made_here"),
    *("size", "becomes", "lines", "y"),
)
TEXTS = st.text(max_size=6) | st.sampled_from(("a/b", ".", "absent"))


@given(
    arguments=st.fixed_dictionaries(
        {"operation": OPERATIONS},
        optional=dict.fromkeys(FIELD_NAMES, TEXTS | ANY),
    )
)
def test_preparing_is_total_and_settles(arguments: dict[str, Any]) -> None:
    """Any arguments give a call or a sentence, and a call's own arguments give that call."""
    tool = FilesTool(workspace=Path("/nowhere/workspace"))
    call = tool.prepare(arguments)
    if isinstance(call, PreparedCall):
        assert tool.prepare(call.arguments) == call
        assert "\n" not in call.label
    else:
        assert isinstance(call, Malformed)
