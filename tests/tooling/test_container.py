"""The container file, read as text: it is built where a builder is, which the tests need not be."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = re.sub(r"\\\n\s*", " ", (ROOT / "Containerfile").read_text())
LINES = [line for line in TEXT.splitlines() if line.strip() and not line.startswith("#")]
STAGES = "\n".join(LINES).split("FROM ")[1:]


def given(name: str, text: str = "\n".join(LINES)) -> list[str]:
    """The arguments of every instruction of a kind."""
    return [" ".join(rest.split()) for rest in re.findall(rf"(?m)^{name}\s+(.*)$", text)]


def test_every_instruction_is_one() -> None:
    """Nothing is misspelt, and nothing comes before the first stage."""
    known = {
        "FROM", "WORKDIR", "COPY", "RUN", "ENV", "VOLUME", "USER", "EXPOSE", "STOPSIGNAL",
        "HEALTHCHECK", "ENTRYPOINT", "CMD",
    }  # fmt: skip
    assert {line.split()[0] for line in LINES} <= known
    assert LINES[0].startswith("FROM ")


@pytest.mark.parametrize("name", ["RUN", "ENTRYPOINT", "CMD", "VOLUME"])
def test_no_shell_is_in_between(name: str) -> None:
    """The exec form everywhere: signals reach the gateway, and no word is expanded."""
    assert given(name)
    for arguments in given(name):
        assert all(isinstance(word, str) for word in json.loads(arguments))


def test_dependencies_are_the_locked_ones() -> None:
    """With their hashes; the package is installed from those files and from nowhere else."""
    locked, package = (json.loads(run) for run in given("RUN") if "pip" in json.loads(run))
    assert locked[-3:] == ["--require-hashes", "--requirement", "requirements.lock"]
    wheels = locked[locked.index("--wheel-dir") + 1]
    assert package[package.index("--find-links") + 1] == wheels
    assert "--no-index" in package


def test_it_runs_as_nobody_in_particular() -> None:
    """Without root, by number, so that a cluster can check it; its state is a volume."""
    last = STAGES[-1]
    (user,) = given("USER", last)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert json.loads(given("VOLUME", last)[0]) == ["/var/lib/gatepost"]
    assert last.index("\nUSER ") < last.index("\nENTRYPOINT ")
    assert given("STOPSIGNAL", last) == ["SIGTERM"]
    assert json.loads(given("ENTRYPOINT", last)[0]) == ["gatepost"]
    assert json.loads(given("CMD", last)[0])[0] == "run"


def test_health_is_the_gateway_s_own_word() -> None:
    """Asked by `gatepost status`, in a bounded time; a platform's outage is no cause."""
    (check,) = given("HEALTHCHECK")
    assert "--timeout=" in check
    command = json.loads(check.partition(" CMD ")[2])
    assert "'gatepost', 'status'" in command[-1]
    compile(command[-1], "healthcheck", "exec")


def test_what_is_copied_is_there_and_small() -> None:
    """Every source exists; neither state nor secrets can get in."""
    ignored = (ROOT / ".containerignore").read_text().splitlines()
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    sources = {
        name
        for copied in given("COPY")
        if not copied.startswith("--from")
        for name in copied.split()[:-1]
    }
    assert sources == allowed
    assert all((ROOT / name).exists() for name in sources)
    assert "*" in ignored
