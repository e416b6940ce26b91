"""Questions to the running gateway over its control socket, without an event loop."""

import errno
import socket
from pathlib import Path
from typing import Any

import orjson

from gateway.control import socket_address
from gateway.control_requests import Request, request_line
from gateway.errors import GatewayError, NotNow

ANSWER_WITHIN_S = 15.0


class NotRunning(GatewayError):
    """Nobody listens on the state directory's socket."""


class Refused(GatewayError):
    """The gateway answered with a sentence instead of a result."""


class Unanswered(Refused):
    """It can't be done now, or nobody can tell whether it was: ask again, by the same key."""


def ask(state_dir: Path, request: Request, *, answer_within_s: float = ANSWER_WITHIN_S) -> Any:
    """The result of one request; raises NotRunning, or Refused with the gateway's sentence."""
    with Conversation(state_dir, answer_within_s=answer_within_s) as running:
        return running.ask(request)


def hand_over(state_dir: Path, request: Request) -> Any:
    """The result of a request that may be repeated; raises NotNow where that may help, or Refused.

    For programs that go on without a person: cron, timers, scripts.
    """
    try:
        return ask(state_dir, request)
    except (NotRunning, Unanswered) as error:
        raise NotNow(str(error)) from error


class Conversation:
    """One connection for several requests; entering it raises NotRunning."""

    def __init__(self, state_dir: Path, *, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self._state_dir = state_dir
        self._answer_within_s = answer_within_s
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> "Conversation":
        self._connection.settimeout(self._answer_within_s)
        try:
            with socket_address(self._state_dir) as address:
                self._connection.connect(address)
        except OSError as exc:
            self._connection.close()
            raise unreachable(self._state_dir, exc) from exc
        self._lines = self._connection.makefile("rb")
        return self

    def __exit__(self, *_exc: object) -> None:
        self._lines.close()
        self._connection.close()

    def ask(self, request: Request) -> Any:
        """The result of one request; raises Refused, or NotRunning if the gateway went away."""
        try:
            self._connection.sendall(request_line(request))
            line = self._lines.readline()
        except OSError as exc:
            raise unreachable(self._state_dir, exc, self._answer_within_s) from exc
        return answer_of(line)


def answer_of(line: bytes) -> Any:
    """What a line of the socket answers; raises Refused."""
    try:
        answer = orjson.loads(line)
        if "ok" in answer:
            return answer["ok"]
        problem, later = answer["error"], "later" in answer
    except (orjson.JSONDecodeError, KeyError, TypeError):
        problem, later = "the gateway ended the connection without an answer", True
    raise Unanswered(problem) if later else Refused(problem)


def unreachable(state_dir: Path, exc: OSError, within_s: float = ANSWER_WITHIN_S) -> GatewayError:
    """The error for a socket that could not be spoken to."""
    if exc.errno in {errno.EACCES, errno.EPERM}:
        return Refused(
            f"the gateway in {state_dir} belongs to another user; run this as that user or as root"
        )
    if isinstance(exc, TimeoutError):
        return Unanswered(f"the gateway in {state_dir} gave no answer in {within_s:.0f} s")
    return NotRunning(
        f"no gateway is running in {state_dir}; start one with: gatepost run"
        " (or name its configuration with --config)"
    )
