"""Log lines: their two forms, their ids, and that no secret is in them."""

import logging
from collections.abc import Iterator
from urllib.parse import quote

import orjson
import pytest

from gateway import logs
from gateway.logs import LogFormat, session_in_log, set_up, turn_in_log

TOKEN = "123456:AAbbCC-ddEEffGGhh"
ODD = 'k"ey\\with/slash ü'
SHORT = "short"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Give the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs._QUIET}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


FORMS: tuple[LogFormat, ...] = ("text", "json")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", [TOKEN, ODD])
def test_secrets_are_hidden_in_messages(
    form: LogFormat, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As they are, in an address, and as a traceback's repr would write them."""
    set_up(form, secrets=[secret, SHORT])
    logger = logging.getLogger("test")
    logger.warning("plain %s", secret)
    logger.warning("twice %s%s", secret, secret)
    logger.warning("address https://api/bot%s/getMe", quote(secret, safe=""))
    logger.warning("repr %r", {"token": secret})
    err = capsys.readouterr().err
    for written in (secret, quote(secret, safe=""), orjson.dumps(secret).decode()[1:-1]):
        assert written not in err
    assert err.count("[hidden]") == 5


@pytest.mark.parametrize("form", FORMS)
def test_secrets_are_hidden_in_tracebacks(
    form: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error's own words, its cause and the source lines around it."""
    set_up(form, secrets=[TOKEN])
    try:
        try:
            raise LookupError(f"no chat for {TOKEN}")
        except LookupError as exc:
            raise ValueError(f"https://api/bot{TOKEN}/x") from exc
    except ValueError:
        logging.getLogger("test").exception("failed")
    err = capsys.readouterr().err
    assert TOKEN not in err
    assert "LookupError" in err
    assert "ValueError" in err
    assert "Traceback" in err


def test_a_longer_secret_is_hidden_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """A secret inside another does not leave the rest of it."""
    set_up("text", secrets=["abcdefgh", "abcdefgh-ijklmnop"])
    logging.getLogger("test").warning("abcdefgh-ijklmnop")
    assert "ijkl" not in capsys.readouterr().err


def test_short_words_are_no_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    """Hiding a word of a few letters would tear every line apart, and say what it is."""
    set_up("text", secrets=[SHORT, ""])
    logging.getLogger("test").warning("a short story")
    assert "a short story" in capsys.readouterr().err


def test_the_text_form(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, level, where, what, and the ids of turn and session."""
    set_up("text", secrets=[])
    session = session_in_log.set("telegram:77|telegram:1")
    turn = turn_in_log.set("t5")
    try:
        logging.getLogger("gateway.x").info("took %d rows", 3)
    finally:
        session_in_log.reset(session)
        turn_in_log.reset(turn)
    line = capsys.readouterr().err.rstrip("\n")
    assert line[8:] == " info    gateway.x: took 3 rows [t5 telegram:77|telegram:1]"
    logging.getLogger("gateway.x").info("without")
    assert capsys.readouterr().err.endswith("gateway.x: without\n")


def test_the_json_form(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, with the ids as fields."""
    set_up("json", secrets=[])
    turn = turn_in_log.set("t5")
    try:
        logging.getLogger("gateway.x").error("took %d rows", 3)
    finally:
        turn_in_log.reset(turn)
    fields = orjson.loads(capsys.readouterr().err)
    assert fields.pop("time").endswith("+00:00")
    assert fields == {
        "level": "error",
        "logger": "gateway.x",
        "message": "took 3 rows",
        "turn": "t5",
    }


@pytest.mark.parametrize("form", FORMS)
def test_a_message_is_one_line(form: LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    """No text from outside forges a line; half a character breaks none."""
    set_up(form, secrets=[])
    logging.getLogger("test").warning("one\n12:00:00 error forged \ud800")
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_libraries_that_log_addresses_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Their INFO lines hold tokens and payloads; their warnings still show."""
    set_up("text", secrets=[])
    logging.getLogger("telegram.request").info("POST https://api/bot1/x")
    logging.getLogger("discord.http").info("payload")
    logging.getLogger("slack_sdk.web").warning("deprecated")
    err = capsys.readouterr().err
    assert "POST" not in err
    assert "payload" not in err
    assert "deprecated" in err
