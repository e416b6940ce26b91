"""Questions to the running gateway over its control socket, without an event loop."""

import errno
import socket
from pathlib import Path
from typing import Any

import orjson

from gateway.control import Request, request_line, socket_address
from gateway.errors import GatewayError

ANSWER_WITHIN_S = 15.0


class NotRunning(GatewayError):
    """Nobody listens on the state directory's socket."""


class Refused(GatewayError):
    """The gateway answered with a sentence instead of a result."""


def ask(state_dir: Path, request: Request) -> Any:
    """The result of one request; raises NotRunning, or Refused with the gateway's sentence."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_WITHIN_S)
        try:
            with socket_address(state_dir) as address:
                connection.connect(address)
            connection.sendall(request_line(request))
            line = connection.makefile("rb").readline()
        except OSError as exc:
            raise unreachable(state_dir, exc) from exc
    return answer_of(line)


def answer_of(line: bytes) -> Any:
    """What a line of the socket answers; raises Refused."""
    try:
        answer = orjson.loads(line)
        if "ok" in answer:
            return answer["ok"]
        problem = answer["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        problem = "the gateway ended the connection without an answer"
    raise Refused(problem)


def unreachable(state_dir: Path, exc: OSError) -> GatewayError:
    """The error for a socket that could not be spoken to."""
    if exc.errno in {errno.EACCES, errno.EPERM}:
        return Refused(
            f"the gateway in {state_dir} belongs to another user; run this as that user or as root"
        )
    if isinstance(exc, TimeoutError):
        return Refused(f"the gateway in {state_dir} gave no answer in {ANSWER_WITHIN_S:.0f} s")
    return NotRunning(
        f"no gateway is running in {state_dir}; start one with: gatepost run"
        " (or name its configuration with --config)"
    )
