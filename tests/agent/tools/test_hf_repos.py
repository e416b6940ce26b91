"""The tools over repositories, over the real huggingface_hub and a loopback Hub."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.errors import NotStarted, ToolError
from agent.messages import ResultStatus
from agent.tools.base import EffectClass, Malformed, RiskTag, Verdict
from tests.agent.tools.hub_room import (
    TEAM,
    Room,
    carried_out,
    context,
    hub_room,
    inspected,
    prepared,
    refused,
    stored,
    with_snapshots,
)
from tests.wire.server import Answer, CutAfter, CutBefore

PRIVATE = f"{TEAM}/secret"
PUBLIC = f"{TEAM}/open"
FOREIGN = "strangers/open"
BAD = Answer(status=503, body=b'{"error": "down"}')
OUTWARD, DESTRUCTIVE = frozenset({RiskTag.OUTWARD}), frozenset({RiskTag.DESTRUCTIVE})


@pytest.fixture(name="room")
async def _room(tmp_path: Path) -> AsyncIterator[Room]:
    async with hub_room(tmp_path) as room:
        world = room.server.world
        files = {"README.md": b"# hello", "data/a.csv": b"1,2\n", "data/b.bin": b"\0\1"}
        world.repo("model", PRIVATE, private=True, files=files)
        world.repo("model", PUBLIC, files=files)
        world.repo("model", FOREIGN, files=files)
        world.repo("dataset", PRIVATE, private=True, files=files)
        yield room


def repo(room: Room, name: str, kind: str = "model") -> Any:
    """A repository at the Hub."""
    return room.server.world.repos[kind, name]


async def test_private_repositories_are_made_private_under_the_payer(room: Room) -> None:
    """A bare name gets the payer's account; made twice it is one repository."""
    tool = room.private_repos()
    call = await inspected(tool, operation="create_repo", repo="new", repo_type="dataset")
    for _ in range(2):
        output = await tool.run(stored(tool, call), context())

    assert call.arguments["repo"] == f"{TEAM}/new"
    assert repo(room, f"{TEAM}/new", "dataset").private
    assert f"{TEAM}/new" in output.text


async def test_a_public_repository_of_that_name_is_not_taken_for_private(room: Room) -> None:
    """It was there already and others see it: the model must know."""
    with pytest.raises(ToolError, match="is not private"):
        await carried_out(room.private_repos(), operation="create repo", repo="open")


async def test_private_repositories_of_others_are_left_alone(room: Room) -> None:
    """Only accounts of the configuration; and the Hub must let the token use them."""
    tool = room.private_repos()

    assert "Only repositories of" in refused(tool, operation="create repo", repo="strangers/x")
    room.server.dana.orgs[TEAM] = "read"
    refusal = await tool.inspect(prepared(tool, operation="create repo", repo="x"), context())
    assert isinstance(refusal, Malformed)


@pytest.mark.parametrize("auto", [True, False])
async def test_uploads_to_private_repositories(room: Room, auto: bool) -> None:
    """Looked at, the call stays allowed or asked as the switch says; the file arrives."""
    tool = room.private_repos(auto_file_upload=auto)
    arguments = {"operation": "upload file", "repo": "secret", "path": "n.txt", "content": "hé"}
    call = await inspected(tool, **arguments)
    await tool.run(stored(tool, call), context())

    assert call.default is (Verdict.ALLOW if auto else Verdict.ASK)
    assert repo(room, PRIVATE).head.files["n.txt"] == "hé".encode()


@pytest.mark.parametrize("auto", [True, False])
async def test_nothing_private_goes_into_a_public_repository(room: Room, auto: bool) -> None:
    """Public when looked at: refused. Made public after the look: not begun."""
    tool = room.private_repos(auto_file_upload=auto)
    arguments = {"operation": "upload file", "path": "n.txt", "content": "x"}
    refusal = await tool.inspect(prepared(tool, repo="open", **arguments), context())
    call = stored(tool, await inspected(tool, repo="secret", **arguments))
    repo(room, PRIVATE).visibility = "public"
    with pytest.raises(NotStarted, match="is not private"):
        await tool.run(call, context())

    assert isinstance(refusal, Malformed)
    assert "is not private" in refusal.text


async def test_a_repository_nobody_can_look_at_is_asked(room: Room) -> None:
    """With uploads allowed by the switch, too: the gate knows that nobody has looked."""
    tool = room.private_repos(auto_file_upload=True)
    arguments = {"operation": "upload file", "path": "n.txt", "content": "x"}
    room.server.faults.add("repos.info", BAD)

    assert await tool.inspect(prepared(tool, repo="secret", **arguments), context()) is None
    missing = await tool.inspect(prepared(tool, repo="missing", **arguments), context())
    assert isinstance(missing, Malformed)


async def test_private_files_are_listed_and_read(room: Room) -> None:
    """Reading stays in private repositories."""
    tool = room.private_repos()
    listed = await carried_out(tool, operation="list", repo="secret", path="data")
    read = await carried_out(
        tool, operation="read", repo="secret", repo_type="dataset", path="README.md"
    )
    with pytest.raises(NotStarted, match="is not private"):
        await carried_out(tool, operation="read", repo="open", path="README.md")

    assert listed.text == "data/a.csv (4 bytes)\ndata/b.bin (2 bytes)"
    assert read.text == "# hello"


@pytest.mark.parametrize("made", ["private", "files"])
async def test_the_bytes_that_were_shown_are_uploaded(room: Room, made: str) -> None:
    """A workspace file that changes after the card is uploaded as it was."""
    (room.workspace / "out.bin").write_bytes(b"\0shown")
    tool: Any = room.private_repos() if made == "private" else room.repo_files()
    operation = "upload file" if made == "private" else "upload"
    arguments = {"operation": operation, "repo": PRIVATE, "path": "x/out.bin"}
    call = await inspected(tool, **arguments, source_path="./out.bin")
    (room.workspace / "out.bin").write_bytes(b"swapped")
    again = stored(tool, call)
    for snapshots in ({}, {"out.bin": b"other"}):
        with pytest.raises(NotStarted, match="not at hand"):
            await tool.run(again, context(snapshots=snapshots))
    await tool.run(again, with_snapshots(context(), call.snapshots))

    assert repo(room, PRIVATE).head.files["x/out.bin"] == b"\0shown"


@pytest.mark.parametrize("made", ["private", "files"])
async def test_uploading_again_makes_no_second_commit(room: Room, made: str) -> None:
    """After a crash the call is repeated, and nothing changes."""
    tool: Any = room.private_repos() if made == "private" else room.repo_files()
    operation = "upload file" if made == "private" else "upload"
    arguments = {"operation": operation, "repo": PRIVATE, "path": "n.txt", "content": "x"}
    for _ in range(3):
        await carried_out(tool, **arguments)

    assert len(repo(room, PRIVATE).branches["main"]) == 2


async def test_a_lost_answer_of_an_upload_is_repeated_without_harm(room: Room) -> None:
    """The doubt is an error, the same call again finds its bytes in place."""
    tool = room.repo_files()
    arguments = {"operation": "upload", "repo": PRIVATE, "path": "n.txt", "content": "x"}
    room.server.faults.add("repos.commit", CutAfter())
    with pytest.raises(ToolError) as caught:
        await carried_out(tool, **arguments)
    assert not isinstance(caught.value, NotStarted)
    await carried_out(tool, **arguments)

    assert len(repo(room, PRIVATE).branches["main"]) == 2


@pytest.mark.parametrize(
    ("name", "tags"), [(PRIVATE, frozenset()), (PUBLIC, OUTWARD), (FOREIGN, OUTWARD)]
)
async def test_who_sees_an_upload_is_on_the_card(
    room: Room, name: str, tags: frozenset[RiskTag]
) -> None:
    """Outward unless it stays in a private repository of ours; always asked."""
    call = await inspected(
        room.repo_files(), operation="upload", repo=name, path="n.txt", content="x"
    )

    assert call.tags == tags
    assert call.default is Verdict.ASK
    assert ("private" if name == PRIVATE else "public") in call.summary


async def test_files_are_listed_read_and_deleted(room: Room) -> None:
    """A folder goes with a slash; what is not there, or no text, is told."""
    tool = room.repo_files()
    listed = await carried_out(tool, operation="list", repo=FOREIGN)
    read = await carried_out(tool, operation="read", repo_id=FOREIGN, path="data/a.csv")
    with pytest.raises(ToolError, match="not a text file"):
        await carried_out(tool, operation="read", repo=FOREIGN, path="data/b.bin")
    with pytest.raises(NotStarted, match="404"):
        await carried_out(tool, operation="read", repo=FOREIGN, path="none")
    with pytest.raises(NotStarted, match="403"):
        await carried_out(tool, operation="delete", repo=FOREIGN, path="README.md")
    await carried_out(tool, operation="delete", repo=PUBLIC, path="README.md")
    await carried_out(tool, operation="delete", repo=PUBLIC, path="data/")

    assert "data/a.csv (4 bytes)" in listed.text
    assert read.text == "1,2\n"
    assert prepared(tool, operation="read", repo=FOREIGN, path="x").taints == "Hub file"
    assert repo(room, PUBLIC).head.files == {}


async def test_a_long_file_is_read_at_both_ends(room: Room) -> None:
    """No more than a MiB is fetched, and kilobytes are shown."""
    repo(room, PUBLIC).head.files["long.txt"] = b"a" * 9_000 + b"z" * 2_000_000
    output = await carried_out(room.repo_files(), operation="read", repo=PUBLIC, path="long.txt")

    assert len(output.text) < 17_000
    assert output.text.endswith("[only its first MiB was read]")


async def test_a_delete_in_doubt_is_never_repeated_blindly(room: Room) -> None:
    """The answer is lost: only people can say."""
    room.server.faults.add("repos.commit", CutAfter())
    output = await carried_out(room.repo_files(), operation="delete", repo=PUBLIC, path="README.md")

    assert output.status is ResultStatus.UNKNOWN


@pytest.mark.parametrize(
    ("path", "fits"),
    [("a/b.txt", True), ("../x", False), ("/etc/x", False), ("a/../b", False), ("a\nb", False)],
)
async def test_paths_stay_in_the_repository(room: Room, path: str, fits: bool) -> None:
    """No path climbs out, and none holds a control character."""
    call = room.repo_files().prepare({"operation": "read", "repo": PUBLIC, "path": path})

    assert isinstance(call, Malformed) is not fits


@pytest.mark.parametrize(
    ("operation", "arguments"), [("create branch", {"branch": "b"}), ("create tag", {"tag": "t"})]
)
@pytest.mark.parametrize(
    ("name", "verdict"),
    [(PRIVATE, Verdict.ALLOW), (PUBLIC, Verdict.ASK), (FOREIGN, Verdict.ASK)],
)
async def test_branches_and_tags_are_free_in_private_repositories_of_ours(
    room: Room, operation: str, arguments: dict[str, str], name: str, verdict: Verdict
) -> None:
    """Anywhere else they are asked."""
    call = await inspected(room.repo_git(), operation=operation, repo=name, **arguments)

    assert call.default is verdict


async def test_a_repository_that_can_not_be_seen_asks(room: Room) -> None:
    """A failed look is never a yes; one that is not there is told at once."""
    tool = room.repo_git()
    branch = {"operation": "create branch", "branch": "b"}
    room.server.faults.add("repos.info", CutBefore())

    assert await tool.inspect(prepared(tool, repo=PRIVATE, **branch), context()) is None
    gone = await tool.inspect(prepared(tool, repo=f"{TEAM}/gone", **branch), context())
    assert isinstance(gone, Malformed)


async def test_branches_and_tags_come_and_go(room: Room) -> None:
    """Made twice they are one; the second time says where it stands."""
    tool = room.repo_git()
    for name, value in (("branch", "topic/x"), ("tag", "v1")):
        one = {"repo": PRIVATE, name: value}
        first = await carried_out(tool, operation=f"create {name}", **one)
        second = await carried_out(tool, operation=f"create {name}", **one)
        assert "is made" in first.text
        assert f"was there already, at {repo(room, PRIVATE).head.id[:12]}" in second.text
    refs = await carried_out(tool, operation="list refs", repo=PRIVATE)
    commits = await carried_out(tool, operation="list commits", repo=PRIVATE)
    for name, value in (("branch", "topic/x"), ("tag", "v1")):
        await carried_out(tool, operation=f"delete {name}", repo=PRIVATE, **{name: value})

    assert "branch topic/x" in refs.text
    assert "tag v1" in refs.text
    assert "initial commit" in commits.text
    assert list(repo(room, PRIVATE).branches) == ["main"]
    assert repo(room, PRIVATE).tags == {}


async def test_a_pull_request_from_beginning_to_end(room: Room) -> None:
    """Opened, commented, read, merged; another one closed."""
    tool = room.repo_git()
    await carried_out(tool, operation="create pr", repo=PUBLIC, title="Better", text="Because.")
    await carried_out(tool, operation="comment pr", repo=PUBLIC, num=1, text="Looks good.")
    shown = await carried_out(tool, operation="get pr", repo=PUBLIC, num=1)
    await carried_out(tool, operation="merge pr", repo=PUBLIC, num=1)
    await carried_out(tool, operation="create pr", repo=PUBLIC, title="Worse")
    await carried_out(tool, operation="close pr", repo=PUBLIC, num=2, text="No.")
    listed = await carried_out(tool, operation="list prs", repo=PUBLIC)

    assert "Because." in shown.text
    assert "Looks good." in shown.text
    assert "#1 merged by dana: Better" in listed.text
    assert "#2 closed by dana: Worse" in listed.text
    assert prepared(tool, operation="get pr", repo=PUBLIC, num=1).taints == "pull requests"


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("create pr", {"title": "A title"}),
        ("comment pr", {"num": 1, "text": "x"}),
        ("close pr", {"num": 1}),
    ],
)
async def test_words_in_private_repositories_of_ours_stay_inside(
    room: Room, operation: str, arguments: dict[str, Any]
) -> None:
    """Still asked; outward only where others read it."""
    tool = room.repo_git()
    inside = await inspected(tool, operation=operation, repo=PRIVATE, **arguments)
    outside = await inspected(tool, operation=operation, repo=PUBLIC, **arguments)

    assert (inside.default, inside.tags) == (Verdict.ASK, frozenset())
    assert (outside.default, outside.tags) == (Verdict.ASK, OUTWARD)


async def test_making_a_repository_and_showing_it_to_everybody(room: Room) -> None:
    """Private by default; publishing one is outward, wherever it is."""
    tool = room.repo_git()
    made = await inspected(tool, operation="create repo", repo=f"{TEAM}/new")
    public = await inspected(tool, operation="create repo", repo=f"{TEAM}/n", visibility="public")
    publish = await inspected(tool, operation="update repo", repo=PRIVATE, visibility="public")
    hide = await inspected(tool, operation="update repo", repo=PRIVATE, visibility="private")
    await tool.run(stored(tool, made), context())
    await tool.run(stored(tool, publish), context())
    with pytest.raises(NotStarted, match="409"):
        await tool.run(stored(tool, made), context())

    assert (made.tags, public.tags) == (frozenset(), OUTWARD)
    assert (publish.tags, hide.tags) == (OUTWARD, frozenset())
    assert made.effect is EffectClass.ONCE
    assert repo(room, f"{TEAM}/new").private
    assert not repo(room, PRIVATE).private


@pytest.mark.parametrize(
    ("operation", "arguments", "route"),
    [
        ("create pr", {"title": "A title"}, "pr.create"),
        ("create pr", {"title": "A title"}, "pr.details"),
        ("merge pr", {"num": 1}, "pr.merge"),
        ("delete branch", {"branch": "old"}, "repos.branch.delete"),
        ("update repo", {"visibility": "private"}, "repos.settings"),
    ],
)
async def test_what_may_have_happened_is_in_doubt(
    room: Room, operation: str, arguments: dict[str, Any], route: str
) -> None:
    """Also when the Hub took the call and only a look after it fails."""
    world = room.server.world
    world.discuss(repo(room, PUBLIC), "One", "text", "dana", is_pr=True)
    repo(room, PUBLIC).branches["old"] = repo(room, PUBLIC).branches["main"][:]
    fault = Answer(status=404, body=b"{}") if route == "pr.details" else CutAfter()
    room.server.faults.add(route, fault)
    output = await carried_out(room.repo_git(), operation=operation, repo=PUBLIC, **arguments)

    assert output.status is ResultStatus.UNKNOWN


async def test_names_the_library_refuses_were_never_sent(room: Room) -> None:
    """Nothing left this machine: nothing happened."""
    tool = room.repo_files()
    before = len(room.server.record)
    with pytest.raises(NotStarted):
        await tool.run(prepared(tool, operation="delete", repo=f"{TEAM}/a--b", path="x"), context())

    assert len(room.server.record) == before


async def test_calls_on_one_repository_keep_their_order(room: Room) -> None:
    """The resource is the repository, of whichever tool."""
    branch = prepared(room.repo_git(), operation="create branch", repo=PUBLIC, branch="b")
    upload = prepared(room.repo_files(), operation="upload", repo=PUBLIC, path="a", content="x")
    other = prepared(room.repo_files(), operation="list", repo=PRIVATE)

    assert branch.resource == upload.resource != other.resource
