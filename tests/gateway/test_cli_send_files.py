"""`gatepost send --file`: files that a script hands over, each a message, once for each key."""

import json
from base64 import b64decode
from pathlib import Path

import pytest

from gateway.cli.main import EXIT_FAILED, main
from tests.gateway.test_jobs_from_outside import running
from tests.pictures import drawn


async def test_words_and_files_are_stored_in_order_and_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words first; the same command again stores nothing; files may go without words."""
    (tmp_path / "chart.png").write_bytes(drawn())
    (tmp_path / "notes.md").write_text("# Notes")
    both = [f"--file={tmp_path / name}" for name in ("chart.png", "notes.md")]
    async with running(tmp_path) as house:
        for _ in range(2):
            assert await house.run("send", "web:local", "Two files.", *both, "--key", "k") == 0
        assert await house.run("send", "web:local", both[0]) == 0
        rows = await house.store.read(
            lambda tx: tx.rows("SELECT op, content FROM outbox ORDER BY id")
        )
    stored = [f"stored; what becomes of it: gatepost why o{row}" for row in (1, 2, 3, 1, 2, 3)]
    assert capsys.readouterr().out.splitlines()[:-1] == stored
    assert [op for op, _ in rows] == ["post", "upload", "upload", "upload"]
    files = [json.loads(content) for _, content in rows[1:]]
    assert [(each["name"], each["mime"]) for each in files] == [
        ("chart.png", "image/png"),
        ("notes.md", "text/markdown"),
        ("chart.png", "image/png"),
    ]
    assert b64decode(files[0]["data"]) == drawn()


def test_a_file_that_is_not_there_sends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the words: the gateway is not asked."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gatepost.toml").write_text('[gateway]\nstate_dir = "state"\n')
    assert main(["send", "web:local", "hi", "--file", "gone.png"]) == EXIT_FAILED
    assert (
        capsys.readouterr().err == "gatepost: gone.png can't be read: No such file or directory\n"
    )


async def test_a_chat_of_the_page_that_nobody_has_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence says where somebody reads; nothing is stored."""
    chats = ("web:NOCHAT", "web:0b8b4b0e-64ba-4e4b-9a3c-0d8f2b6c1a11", "web:local/topic")
    async with running(tmp_path) as house:
        for chat in chats:
            assert await house.run("send", chat, "hi") == EXIT_FAILED
        assert await house.store.read(lambda tx: tx.rows("SELECT id FROM outbox")) == []
    assert capsys.readouterr().err.splitlines() == [
        f"gatepost: {chat} is no chat of the page; web:local is, and each that was begun there."
        for chat in chats
    ]
