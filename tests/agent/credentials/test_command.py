"""A program that prints the token: what it may print, its time, and how often it is run."""

import os
import sys
from pathlib import Path

import pytest

from agent.credential_command import CommandToken, read_printed
from agent.credential_oauth import Now
from agent.credential_rests import SECOND
from agent.errors import ProviderAuthFailed
from tests.agent.credentials.ground import TIME, authorization
from tests.warp import warped

START = 1_700_000_000 * SECOND


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> int:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += int(seconds * SECOND)


def program(directory: Path, body: str) -> tuple[str, ...]:
    """A program that notes each run, then does as told."""
    script = directory / "print_token.py"
    head = f"import os, sys\nopen({str(directory / 'runs')!r}, 'a').write('x')\n"
    script.write_text(head + body)
    return (sys.executable, "-I", str(script), "a word; $(touch /tmp/never)")


def runs(directory: Path) -> int:
    """How often it was run."""
    noted = directory / "runs"
    return len(noted.read_text()) if noted.exists() else 0


def command(argv: tuple[str, ...], hand: Hand) -> CommandToken:
    return CommandToken(argv, label="main", time=Now(now=hand.now), environ=os.environ)


COUNT = "n = len(open(__file__.replace('print_token.py', 'runs')).read())\n"


@pytest.mark.parametrize(
    ("printed", "token", "expires_at"),
    [
        (b"tok-1\n", "tok-1", None),
        (b'{"token": "tok-1"}', "tok-1", None),
        (b'{"token": "tok-1", "expires_at": 1700000060}', "tok-1", START + 60 * SECOND),
        (b'{"token": "tok-1", "expires_at": "2023-11-14T22:13:21Z"}', "tok-1", START + SECOND),
        (b'{"token": "tok-1", "expires_at": "2023-11-14T22:13:21"}', "tok-1", START + SECOND),
    ],
)
def test_both_forms_are_read(printed: bytes, token: str, expires_at: int | None) -> None:
    """One line, or JSON with its end as seconds or as a date."""
    found = read_printed(printed)
    assert (found.token, found.expires_at) == (token, expires_at)
    assert token not in repr(found)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("print()", "it printed nothing"),
        ("print('a'); print('b')", "it printed more than one line"),
        ("print('a b')", "it printed something that is no token"),
        ("print('{')", "it printed JSON that can't be read"),
        ("""print('{"expires_at": 1}')""", "it printed JSON without a token"),
        ("""print('{"token": "x", "expires_at": "soon"}')""", "its expires_at is no time"),
        ("print('secret-word'); sys.exit(3)", "it ended with code 3"),
        ("print('x' * 70000)", "it printed more than 64 KiB"),
    ],
)
async def test_what_is_no_token_is_a_refusal(body: str, why: str, tmp_path: Path) -> None:
    """Named after the program; what it printed is not repeated."""
    token = command(program(tmp_path, body), Hand())
    with pytest.raises(ProviderAuthFailed, match=why) as raised:
        await token.lease()
    assert "secret-word" not in str(raised.value)


async def test_a_program_that_is_not_there_is_a_refusal() -> None:
    """It says so."""
    with pytest.raises(ProviderAuthFailed, match=r"nowhere: it can't be started"):
        await command(("/nowhere",), Hand()).lease()


async def test_it_is_run_without_a_shell_and_sees_little(tmp_path: Path) -> None:
    """Its words are its words, and no secret of ours is in its environment."""
    os.environ["GATEPOST_TEST_SECRET"] = "x"
    try:
        body = "print(len(sys.argv), len(os.environ.get('GATEPOST_TEST_SECRET', '')), sep='-')"
        lease = await command(program(tmp_path, body), Hand()).lease()
    finally:
        del os.environ["GATEPOST_TEST_SECRET"]
    assert authorization(lease) == "Bearer 2-0"


async def test_it_is_run_again_ahead_of_the_end_and_on_a_refusal(tmp_path: Path) -> None:
    """At least 30 s apart, however often it is asked."""
    hand = Hand()
    body = COUNT + """print('{"token": "t%d", "expires_at": %d}' % (n, 1700000000 + 1000 * n))"""
    token = command(program(tmp_path, body), hand)
    first = await token.lease()
    hand.forward(799)
    assert (await token.lease()).headers == first.headers
    hand.forward(1)
    second = await token.lease()
    assert authorization(second) == "Bearer t2"
    assert not await token.renew(second)
    hand.forward(30)
    assert await token.renew(second)
    assert await token.renew(second)
    assert runs(tmp_path) == 3


async def test_a_failure_is_kept_for_thirty_seconds(tmp_path: Path) -> None:
    """Then it is run again; a token there is serves meanwhile."""
    hand = Hand()
    body = COUNT + "sys.exit(1) if n < 2 else print('tok')"
    token = command(program(tmp_path, body), hand)
    for _ in range(3):
        with pytest.raises(ProviderAuthFailed, match="code 1"):
            await token.lease()
    assert runs(tmp_path) == 1
    hand.forward(30)
    assert authorization(await token.lease()) == "Bearer tok"


def test_a_program_that_does_not_end_is_ended(tmp_path: Path) -> None:
    """After 10 s, with all it has started."""

    async def run() -> None:
        token = CommandToken(
            program(tmp_path, "import time\ntime.sleep(3600)"),
            label="main",
            time=TIME,
            environ=os.environ,
        )
        with pytest.raises(ProviderAuthFailed, match="it did not end in 10 s"):
            await token.lease()

    warped(run())
