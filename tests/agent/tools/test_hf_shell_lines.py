"""The lines of shell that are sent to the Hub, run by a real shell."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from agent.tools.hf_job_runs import SCRIPT_PLACE, job_arguments
from agent.tools.hf_sandbox import _END, _KEPT_PID
from tests.agent.tools.hub_room import context

FIELDS = {
    "image": "x",
    "flavor": "cpu-basic",
    "timeout_s": 60,
    "payer": "p",
    "dependencies": ["a b", "$(touch no)"],
    "script_args": ["--name", "it's; rm -rf /", ""],
}


async def run(*argv: str, env: dict[str, str], cwd: Path) -> tuple[int, bytes]:
    """Run a program; returns exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *argv, env=env, cwd=cwd, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output


@pytest.mark.parametrize(
    "script", [b"print(1)\n", b"", b"\xff\0%s\\n'\"$HOME`", b"#" * (64 * 1024)]
)
async def test_a_script_arrives_byte_for_byte(tmp_path: Path, script: bytes) -> None:
    """uv gets the very bytes and arguments, the variable is gone, nothing is interpreted."""
    place = tmp_path / "script.py"
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\necho "${GATEPOST_SCRIPT-unset}"; printf "[%s]" "$@"\n')
    uv.chmod(0o755)
    told = job_arguments(FIELDS, script=script, secrets={}, context=context())
    argv = [part.replace(SCRIPT_PLACE, str(place)) for part in told["command"]]
    path = f"{tmp_path}:{os.environ['PATH']}"
    code, output = await run(*argv, env={**told["env"], "PATH": path}, cwd=tmp_path)

    assert code == 0
    assert place.read_bytes() == script
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    given = ["run", "--with", "a b", "--with", "$(touch no)", str(place)]
    expected = "".join(f"[{part}]" for part in (*given, *FIELDS["script_args"]))
    assert output.decode() == f"unset\n{expected}"
    assert not (tmp_path / "no").exists()


async def test_a_script_that_can_not_be_put_down_is_not_run(tmp_path: Path) -> None:
    """Without its bytes in place nothing is started."""
    told = job_arguments(FIELDS, script=b"x", secrets={}, context=context())
    argv = [part.replace(SCRIPT_PLACE, "/proc/none/x") for part in told["command"]]
    env = {**told["env"], "PATH": os.environ["PATH"]}

    assert (await run(*argv, env=env, cwd=tmp_path))[0] == 97


@pytest.mark.slow
async def test_the_end_of_a_command_is_the_end_of_its_group(tmp_path: Path) -> None:
    """What it started ends too; one that ended long ago is no error.

    Slow: the shell looks once a second whether anything is left.
    """
    mark = str(tmp_path / "mark")
    env = {"PATH": os.environ["PATH"]}
    argv = ("/bin/sh", "-c", _KEPT_PID, mark, "sh", "-c", "sleep 60 & echo up; wait")
    process = await asyncio.create_subprocess_exec(
        *argv, env=env, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"up\n"
    end = asyncio.create_task(run("/bin/sh", "-c", _END, mark, env=env, cwd=tmp_path))

    assert await process.wait() != 0
    assert await process.stdout.read() == b""  # nobody holds it open any more
    assert (await end)[0] == 0
    assert (await run("/bin/sh", "-c", _END, mark, env=env, cwd=tmp_path))[0] == 0
