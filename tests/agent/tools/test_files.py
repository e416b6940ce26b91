"""The `files` tool: what it does, and that nothing leads out of the workspace."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ToolError
from agent.messages import ResultStatus, ToolCall
from agent.policy import judge_with
from agent.tools.base import CallContext, EffectClass, Malformed, PreparedCall, Tool, ToolOutput
from agent.tools.files import FilesTool
from agent.tools.workspace import PathRefused, segments_of

SECRET = "the secret outside"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory beside the workspace, with something nobody may see."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "secret.txt").write_text(SECRET)
    return place


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Path:
    place = tmp_path / "workspace"
    place.mkdir()
    return place


@pytest.fixture
def tool(root: Path) -> FilesTool:
    return FilesTool(workspace=root)


def prepared(tool: FilesTool, arguments: dict[str, Any]) -> PreparedCall:
    call = tool.prepare(arguments)
    assert isinstance(call, PreparedCall), call
    return call


async def use(
    tool: FilesTool, operation: str, *, session: str = "s1", call_id: str = "c1", **arguments: Any
) -> ToolOutput:
    """The output of one call, or the error the model would read."""
    call = prepared(tool, {"operation": operation, **arguments})
    try:
        return await tool.run(call, CallContext(call_id=call_id, session=session))
    except ToolError as error:
        return ToolOutput(text=str(error), status=ResultStatus.FAILED)


def names(place: Path) -> list[str]:
    return sorted(entry.name for entry in place.iterdir())


# Preparing.


def test_the_tool_is_a_tool(tool: FilesTool) -> None:
    """It fulfils the protocol and shows the model an object schema."""
    fulfilled: Tool = tool
    assert fulfilled.spec.name == "files"
    assert fulfilled.spec.parameters["type"] == "object"


@pytest.mark.parametrize(
    ("arguments", "effect", "label"),
    [
        ({"operation": "read", "path": "./a//b.md"}, EffectClass.PURE, "files: read a/b.md"),
        ({"operation": " LIST "}, EffectClass.PURE, "files: list ."),
        ({"operation": "search", "query": "x"}, EffectClass.PURE, "files: search 'x' in ."),
        (
            {"operation": "write", "path": "a", "content": ""},
            EffectClass.KEYED,
            "files: write a",
        ),
    ],
)
def test_calls_are_normalised(
    tool: FilesTool, arguments: dict[str, Any], effect: EffectClass, label: str
) -> None:
    """Effect, label and normalised path of each operation; all share one resource."""
    call = prepared(tool, arguments)
    assert (call.effect, call.label, call.resource) == (effect, label, "files")


def test_labels_are_short(tool: FilesTool) -> None:
    """A label is one short line, whatever the arguments."""
    call = prepared(tool, {"operation": "search", "query": "line\nline" * 20})
    assert len(call.label) <= 80
    assert "\n" not in call.label


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'operation' must be one of read, list, search, write"),
        ({"operation": "remove"}, "'operation' must be one of"),
        ({"operation": 7}, "'operation' must be one of"),
        ({"operation": "read"}, "'path' is missing"),
        ({"operation": "list", "content": "x"}, "Unknown field 'content'"),
        ({"operation": "read", "path": "a", "lines": 0}, "at least 1"),
        ({"operation": "search", "query": " "}, "'query' is empty"),
        ({"operation": "read", "path": "../secret.txt"}, "must not contain `..`"),
        ({"operation": "read", "path": "a/../../secret.txt"}, "must not contain `..`"),
        ({"operation": "read", "path": "/etc/passwd"}, "outside the workspace"),
        ({"operation": "read", "path": "a\x00b"}, "control characters"),
        ({"operation": "read", "path": "x" * 300}, "too long"),
        ({"operation": "write", "path": ".gatepost-x", "content": ""}, "reserved"),
    ],
)
def test_calls_that_do_not_fit(tool: FilesTool, arguments: dict[str, Any], words: str) -> None:
    """Each answer names the field and what is expected; nothing raises."""
    refused = tool.prepare(arguments)
    assert isinstance(refused, Malformed)
    assert words in refused.text


def test_an_absolute_path_inside_is_understood(tool: FilesTool, root: Path) -> None:
    """The workspace's own absolute path is the workspace; a neighbour with its prefix is not."""
    assert prepared(tool, {"operation": "list", "path": str(root)}).arguments["path"] == "."
    inside = prepared(tool, {"operation": "read", "path": f"{root}/a.md"})
    assert inside.arguments["path"] == "a.md"
    assert isinstance(tool.prepare({"operation": "list", "path": f"{root}2"}), Malformed)


def test_the_gate_refuses_what_does_not_parse(tool: FilesTool) -> None:
    """Behind the gate malformed arguments and unknown tools have a result at once."""
    judge = judge_with({"files": tool})
    for name, arguments, words in (
        ("files", "{cut", "not one JSON object"),
        ("file", "{}", "Did you mean files?"),
        ("files", '{"operation": "fly"}', "must be one of"),
    ):
        judged = judge(ToolCall(id="c1", name=name, arguments=arguments))
        assert judged.refusal is not None
        assert words in judged.refusal.text


# Reading.


async def test_a_short_file_is_read_whole(tool: FilesTool, root: Path) -> None:
    """Up to 16 KiB every byte is there, line ends and all."""
    text = "Grüße 🎉\r\nsecond\n" * 500
    (root / "a.md").write_text(text, newline="")
    assert len(text.encode()) < 16 * 1024
    assert (await use(tool, "read", path="a.md")).text == text


async def test_an_empty_file_and_an_empty_directory(tool: FilesTool, root: Path) -> None:
    """Nothing has words, too."""
    (root / "a").touch()
    assert (await use(tool, "read", path="a")).text == "(empty file)"
    (root / "d").mkdir()
    assert (await use(tool, "list", path="d")).text == "(empty)"


async def test_a_long_file_shows_head_and_tail(tool: FilesTool, root: Path) -> None:
    """8 KiB from each end, whole lines, and the line to go on with; that line is the next one."""
    lines = [f"line {n} äöü\n" for n in range(1, 5001)]
    (root / "a.log").write_text("".join(lines))
    output = (await use(tool, "read", path="a.log")).text
    assert len(output.encode()) < 17 * 1024
    assert output.startswith("line 1 äöü\n")
    assert output.endswith("line 5000 äöü\n")
    head, _, rest = output.partition("\n[")
    following = int(rest.partition("from_line = ")[2].partition("]")[0])
    assert head == "".join(lines[: following - 1])
    more = (await use(tool, "read", path="a.log", from_line=following, lines=2)).text
    assert more == "".join(lines[following - 1 : following + 1])


async def test_lines_to_the_end_are_bounded(tool: FilesTool, root: Path) -> None:
    """Lines that do not fit are left out and counted."""
    text = "".join(f"{n}\n" for n in range(1, 20_001))
    (root / "a").write_text(text)
    output = (await use(tool, "read", path="a", from_line=10)).text
    assert output.startswith("10\n11\n")
    assert len(output) < 17 * 1024
    shown, _, note = output.partition("\n[")
    before = "".join(f"{n}\n" for n in range(1, 10))
    assert note.startswith(f"{len(text) - len(before) - len(shown)} of {len(text)} bytes left out")
    past = await use(tool, "read", path="a", from_line=20_002)
    assert (past.status, past.text) == (ResultStatus.FAILED, "The file ends before line 20002.")


async def test_one_endless_line(tool: FilesTool, root: Path) -> None:
    """A file without line ends is cut between characters."""
    (root / "a").write_text("ä" * 100_000)
    output = (await use(tool, "read", path="a")).text
    assert "\ufffd" not in output
    assert "left out" in output
    assert len((await use(tool, "read", path="a", from_line=1, lines=1)).text.encode()) < 17 * 1024


async def test_what_is_no_text(tool: FilesTool, root: Path) -> None:
    """Binary files are named as such; broken UTF-8 is shown as far as it goes."""
    (root / "a.bin").write_bytes(b"\x7fELF\0\0\0")
    assert "not a text file" in (await use(tool, "read", path="a.bin")).text
    (root / "b.txt").write_bytes(b"caf\xe9")
    assert (await use(tool, "read", path="b.txt")).text == "caf\ufffd"


@pytest.mark.parametrize("operation", ["read", "list"])
async def test_what_is_not_there(tool: FilesTool, operation: str) -> None:
    """A missing place is a plain sentence without the workspace's own path."""
    output = await use(tool, operation, path="gone/such")
    assert (output.status, output.text) == (ResultStatus.FAILED, "There is no gone.")


async def test_kinds_are_told_apart(tool: FilesTool, root: Path) -> None:
    """A directory is not read, a file is not listed."""
    (root / "d").mkdir()
    (root / "f").touch()
    assert (await use(tool, "read", path="d")).text == "d is a directory."
    assert (await use(tool, "list", path="f")).text == "f is not a directory."
    assert (await use(tool, "read", path="f/x")).text == "f is not a directory."
    assert "use list" in (await use(tool, "read", path=".")).text


async def test_listing(tool: FilesTool, root: Path, outside: Path) -> None:
    """Entries by name with their kinds; links are named and not followed."""
    (root / "b").mkdir()
    (root / "a.md").write_text("hello")
    (root / "link").symlink_to(outside)
    os.mkfifo(root / "pipe")
    assert (await use(tool, "list")).text.splitlines() == [
        "a.md (5 bytes)",
        "b/",
        "link (link, not followed)",
        "pipe (not a file)",
    ]


async def test_long_listings_are_cut(tool: FilesTool, root: Path) -> None:
    """After 500 entries only their number is told."""
    for number in range(510):
        (root / f"{number:03}").touch()
    lines = (await use(tool, "list")).text.splitlines()
    assert len(lines) == 501
    assert lines[-1] == "[10 more]"


async def test_a_missing_workspace_is_made(tmp_path: Path) -> None:
    """The first call finds an empty workspace."""
    tool = FilesTool(workspace=tmp_path / "new" / "place")
    assert (await use(tool, "list")).text == "(empty)"


async def test_names_that_are_no_unicode(tool: FilesTool, root: Path) -> None:
    """A name of broken bytes is listed and searched without harm."""
    os.close(os.open(os.fsencode(root) + b"/caf\xe9", os.O_CREAT | os.O_WRONLY))
    for output in (await use(tool, "list"), await use(tool, "search", query="caf")):
        assert "caf?" in output.text
        output.text.encode()


# Searching.


async def test_search(tool: FilesTool, root: Path, outside: Path) -> None:
    """Lines in any case with their numbers, names too, below the path; no binaries, no links."""
    (root / "a.md").write_text("one\nThe Needle here\nthree needle\n")
    (root / "d").mkdir()
    (root / "d" / "needles.txt").write_text("nothing")
    (root / "d" / "x.bin").write_bytes(b"needle\0")
    (root / "link").symlink_to(outside / "secret.txt")
    assert (await use(tool, "search", query="NEEDLE")).text.splitlines() == [
        "a.md:2: The Needle here",
        "a.md:3: three needle",
        "d/needles.txt",
    ]
    assert (await use(tool, "search", query="needle", path="d")).text == "d/needles.txt"
    assert (await use(tool, "search", query="three", path="a.md")).text == "a.md:3: three needle"
    assert (await use(tool, "search", query="secret out")).text == "(nothing found)"
    assert (await use(tool, "search", query="x", path="nope")).status is ResultStatus.FAILED


async def test_search_is_bounded(tool: FilesTool, root: Path) -> None:
    """A hundred matches are enough, and long lines are cut around the match."""
    (root / "a").write_text(("x" * 5000 + "needle" + "y" * 5000 + "\n") * 150)
    lines = (await use(tool, "search", query="needle")).text.splitlines()
    assert len(lines) == 101
    assert all("needle" in line and len(line) < 250 for line in lines[:100])
    assert "there may be more" in lines[-1]


# Writing.


async def test_a_new_file_is_written(tool: FilesTool, root: Path) -> None:
    """Directories are made on the way; nothing but the file is left behind."""
    output = await use(tool, "write", path="notes/today/a.md", content="hällo")
    assert output.text == "Created notes/today/a.md (6 bytes)."
    assert (root / "notes/today/a.md").read_text() == "hällo"
    assert [path.name for path in (root / "notes/today").iterdir()] == ["a.md"]


async def test_what_this_session_wrote_may_be_replaced(tool: FilesTool, root: Path) -> None:
    """Its own file, unchanged since, by a later call."""
    await use(tool, "write", path="a", content="one")
    output = await use(tool, "write", path="a", content="two", call_id="c2")
    assert output.text == "Replaced a (3 bytes)."
    assert (root / "a").read_text() == "two"


async def test_it_may_be_replaced_after_a_restart(root: Path) -> None:
    """Who wrote a file is known to the next process, where the file system can keep it."""
    await use(FilesTool(workspace=root), "write", path="a", content="one")
    try:
        os.getxattr(root / "a", "user.gatepost.made")
    except OSError:
        pytest.skip("this file system keeps no extended attributes")
    output = await use(FilesTool(workspace=root), "write", path="a", content="two", call_id="c2")
    assert output.status is ResultStatus.DONE


async def test_other_files_are_not_overwritten(tool: FilesTool, root: Path) -> None:
    """Not a person's, not another session's, not its own if someone changed it."""
    (root / "person").write_text("mine")
    await use(tool, "write", path="other", content="x", session="s2")
    await use(tool, "write", path="changed", content="x")
    (root / "changed").write_text("edited")
    for path, content in (("person", "mine"), ("other", "x"), ("changed", "edited")):
        output = await use(tool, "write", path=path, content="new", call_id="c9")
        assert output.status is ResultStatus.REFUSED
        assert "was not overwritten" in output.text
        assert (root / path).read_text() == content


async def test_the_same_call_again_changes_nothing(tool: FilesTool, root: Path) -> None:
    """A call that is run again after a crash finds its work done, or finishes it."""
    await use(tool, "write", path="a", content="one")
    before = (root / "a").stat().st_ino
    assert (await use(tool, "write", path="a", content="one")).text.startswith("a has this")
    assert (root / "a").stat().st_ino == before


async def test_a_run_that_was_cut_leaves_nothing_in_the_way(tool: FilesTool, root: Path) -> None:
    """What a killed run left beside its file is not shown, and the next run clears it away."""
    leftover = root / f".gatepost-{hashlib.sha256(b'c1').hexdigest()[:16]}"
    leftover.write_text("half")
    assert (await use(tool, "list")).text == "(empty)"
    assert (await use(tool, "search", query="half")).text == "(nothing found)"
    assert (await use(tool, "write", path="a", content="one")).status is ResultStatus.DONE
    assert names(root) == ["a"]


async def test_two_writers_of_one_name(tool: FilesTool, root: Path) -> None:
    """Of two sessions that create one file at once, one creates it and the other is refused."""
    outputs = await asyncio.gather(
        *(
            use(tool, "write", path="a", content=f"from {n}", session=f"s{n}", call_id=f"c{n}")
            for n in range(8)
        )
    )
    created = [n for n, output in enumerate(outputs) if output.status is ResultStatus.DONE]
    assert len(created) == 1
    assert (root / "a").read_text() == f"from {created[0]}"


async def test_writing_where_no_file_can_be(tool: FilesTool, root: Path) -> None:
    """Directories, links, files as directories and the workspace itself are refused in words."""
    (root / "d").mkdir()
    (root / "f").touch()
    (root / "l").symlink_to("f")
    for path, words in (
        ("d", "d is a directory."),
        ("l", "l is a link"),
        ("f/x", "f is not a directory."),
        (".", "A file needs a name."),
    ):
        output = await use(tool, "write", path=path, content="x")
        assert output.status is ResultStatus.FAILED
        assert words in output.text
    assert (root / "f").read_text() == ""


# Escapes.


async def test_links_lead_nowhere(tool: FilesTool, root: Path, outside: Path) -> None:
    """No operation follows a link, whether it is the file, a directory on the way, or inside."""
    (root / "file").symlink_to(outside / "secret.txt")
    (root / "dir").symlink_to(outside)
    (root / "up").symlink_to("..")
    (root / "real.txt").write_text("fine")
    (root / "inside").symlink_to("real.txt")
    for path in ("file", "dir/secret.txt", "up/outside/secret.txt", "inside"):
        output = await use(tool, "read", path=path)
        assert output.status is ResultStatus.FAILED
        assert "links are not followed" in output.text
    for path in ("dir", "up", "up/outside"):
        assert (await use(tool, "list", path=path)).status is ResultStatus.FAILED
        assert (await use(tool, "search", path=path, query="secret")).status is ResultStatus.FAILED
    for path in ("file", "dir/new", "up/new"):
        assert (await use(tool, "write", path=path, content="x")).status is ResultStatus.FAILED
    assert names(outside) == ["secret.txt"]
    assert (outside / "secret.txt").read_text() == SECRET


async def test_pipes_and_sockets_are_not_opened(
    tool: FilesTool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe nobody writes to and a socket end at once, with words."""
    os.mkfifo(root / "pipe")
    bound = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(root)  # a socket's path has room for about a hundred bytes
    bound.bind("sock")
    try:
        for name in ("pipe", "sock"):
            for operation, more in (("read", {}), ("write", {"content": "x"})):
                output = await asyncio.wait_for(use(tool, operation, path=name, **more), 60)
                assert "neither a file nor a directory" in output.text
        assert (await use(tool, "search", query="x")).status is ResultStatus.DONE
    finally:
        bound.close()


async def test_a_link_that_is_swapped_in_is_not_followed(root: Path, outside: Path) -> None:
    """A directory replaced by a link while it is used never leads outside."""
    tool = FilesTool(workspace=root)
    (root / "real").mkdir()
    (root / "real" / "secret.txt").write_text("harmless")
    (root / "link").symlink_to(outside)
    done = asyncio.Event()

    def swap() -> None:
        while not done.is_set():
            for name in ("real", "link"):
                with contextlib.suppress(OSError):  # the tool may have made `d` meanwhile
                    (root / name).rename(root / "d")
                    (root / "d").rename(root / name)
            shutil.rmtree(root / "d", ignore_errors=True)

    swapping = asyncio.create_task(asyncio.to_thread(swap))
    try:
        for number in range(300):
            output = await use(tool, "read", path="d/secret.txt")
            assert SECRET not in output.text
            await use(tool, "write", path=f"d/new{number}", content="x")
    finally:
        done.set()
        await swapping
    assert names(outside) == ["secret.txt"]


PIECES = st.sampled_from(
    (
        *("..", ".", "", "a", "link", "loop", "up", "secret.txt", "outside", "~", "...", "%2e%2e"),
        *("\\..\\", "..\x00", "/", "//", "/etc/passwd", "file", "C:", "\u2025", "．．", "-"),
    )
)


@pytest.fixture(scope="module")
def maze(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace full of ways out."""
    base = tmp_path_factory.mktemp("maze")
    (base / "outside").mkdir()
    (base / "outside" / "secret.txt").write_text(SECRET)
    root = base / "workspace"
    (root / "a").mkdir(parents=True)
    for place in (root, root / "a"):
        (place / "link").symlink_to(base / "outside")
        (place / "file").symlink_to(base / "outside" / "secret.txt")
        (place / "up").symlink_to("..")
        (place / "loop").symlink_to("loop")
    return root


@given(
    st.lists(PIECES | st.text(max_size=4), max_size=6),
    st.sampled_from(["read", "list", "search", "write"]),
)
def test_no_path_escapes(maze: Path, pieces: list[str], operation: str) -> None:
    """Whatever is tried, nothing outside is read, listed, found or made."""
    tool = FilesTool(workspace=maze)
    more = {"write": {"content": SECRET[::-1]}, "search": {"query": "secret out"}}
    call = tool.prepare(
        {"operation": operation, "path": "/".join(pieces), **more.get(operation, {})}
    )
    if isinstance(call, PreparedCall):
        try:
            output = asyncio.run(tool.run(call, CallContext(call_id="c", session="s"))).text
        except ToolError as error:
            output = str(error)
        assert SECRET not in output
        assert str(maze.parent) not in output
    assert names(maze.parent) == ["outside", "workspace"]
    assert names(maze.parent / "outside") == ["secret.txt"]
    assert (maze.parent / "outside" / "secret.txt").read_text() == SECRET


@given(st.text(alphabet=st.sampled_from("./\\a\0\n~-\ud800 é"), max_size=20))
def test_segments_never_climb(path: str) -> None:
    """A path that is accepted has only names in it."""
    try:
        segments = segments_of(path, "/a/a")
    except PathRefused:
        return
    assert all(name not in ("", ".", "..") and "/" not in name for name in segments)
    os.fsencode("/".join(segments))
