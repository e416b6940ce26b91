"""A sandbox of huggingface_hub on terms of our own: its lifetime, its labels, its Hub.

Blocking; called from the threads of `agent.hub` alone. `Sandbox.create` takes neither an endpoint
nor a lifetime (it is 24 hours there), and nothing else bounds what an unattended sandbox costs. So
the same job is started here with a timeout, from the parts `Sandbox.create` is made of. They are
not promised to stay: `missing_parts` says what a release no longer has, and then there is no tool.
Source: huggingface_hub 2.4, `_sandbox.py`; https://huggingface.co/docs/huggingface_hub/guides/sandbox
"""

import contextlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import huggingface_hub._sandbox as library
from huggingface_hub import HfApi, JobInfo

_PARTS: Final = (
    *("Sandbox", "_SandboxServer", "_bootstrap_job_spec", "_derive_sandbox_token"),
    *("_host_rejection", "SANDBOX_LABEL", "MODE_LABEL", "MODE_DEDICATED", "NONCE_LABEL"),
    *("SANDBOX_SERVER_PORT", "ADOPT_OWN"),
)
CONNECTIONS: Final = 4


class NotOurs(Exception):
    """A job that says it is the sandbox of a session and is not; the message says why."""


def missing_parts() -> tuple[str, ...]:
    """What the installed release lacks."""
    return tuple(name for name in _PARTS if not hasattr(library, name))


def label() -> Mapping[str, str]:
    """What every sandbox job is labelled with."""
    return {library.SANDBOX_LABEL: "1"}


def start(
    api: HfApi,
    *,
    key: str,
    nonce: str,
    image: str,
    flavor: str,
    payer: str,
    labels: Mapping[str, str],
    name: str,
    timeout_s: int,
    idle_s: int,
) -> JobInfo:
    """Start the job of a sandbox. The account's key stays outside: only a key derived from it,
    good for this one sandbox, goes into the job."""
    derived = library._derive_sandbox_token(key, nonce)
    command, env, secrets, volumes = library._bootstrap_job_spec(
        api,
        key,
        env=None,
        secrets=None,
        volumes=None,
        idle_timeout=idle_s,
        forward_hf_token=False,
        sandbox_token=derived,
    )
    marks = {
        library.SANDBOX_LABEL: "1",
        library.MODE_LABEL: library.MODE_DEDICATED,
        library.NONCE_LABEL: nonce,
    }
    return api.run_job(
        image=image,
        command=command,
        env=env,
        secrets=secrets,
        volumes=volumes,
        flavor=flavor,
        timeout=timeout_s,
        labels={**labels, **marks},
        name=name,
        expose=[library.SANDBOX_SERVER_PORT],
        namespace=payer,
    )


@dataclass(slots=True)
class Ends:
    """Head and tail of a stream of text, `each` characters of both."""

    each: int
    head: str = ""
    total: int = 0
    _tail: deque[str] = field(default_factory=deque)
    _held: int = 0

    def take(self, text: str) -> None:
        """Take the next piece."""
        self.total += len(text)
        room = self.each - len(self.head)
        self.head += text[:room]
        if rest := text[room:]:
            self._tail.append(rest[-self.each :])
            self._held += len(self._tail[-1])
            while self._held - len(self._tail[0]) >= self.each:
                self._held -= len(self._tail.popleft())

    @property
    def text(self) -> str:
        """What was kept, with how much is missing between."""
        tail = "".join(self._tail)[-self.each :]
        left_out = self.total - len(self.head) - len(tail)
        between = f"\n[{left_out} characters left out]\n" if left_out else ""
        return f"{self.head}{between}{tail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command in a sandbox ended; `exit_code` is None where it was ended from outside."""

    exit_code: int | None
    timed_out: bool
    stdout: str
    stderr: str


@contextlib.contextmanager
def opened(api: HfApi, job: JobInfo, *, key: str, owner_id: str) -> Iterator[Any]:
    """The inside of a running sandbox. Raises NotOurs before any key is sent anywhere.

    Labels are set by whoever starts a job, so they prove nothing: the Hub's own word on who
    started it, what it runs and where it is reached does.
    """
    secure = api.endpoint.startswith("https://")
    reason = library._host_rejection(
        job,
        policy=library.ADOPT_OWN,
        principal_id=owner_id,
        namespace=None,
        image=None,
        flavor=None,
        check_url=secure,
    )
    if reason is not None:
        raise NotOurs(reason)
    nonce = (job.labels or {})[library.NONCE_LABEL]
    derived = library._derive_sandbox_token(key, nonce)
    server = library._SandboxServer.from_job(
        job=job, nonce=nonce, sandbox_token=derived, api=api, max_connections=CONNECTIONS
    )
    try:
        yield library.Sandbox(
            id=job.id, server=server, local_id=None, owns_sandbox=False, owns_server=True
        )
    finally:
        server.close()


def wait_ready(sandbox: Any, limit_s: float) -> None:
    """Wait until the inside answers; raises SandboxError if the job dies or does not."""
    sandbox._server.wait_ready(limit_s)


def execute(
    sandbox: Any, argv: Sequence[str], *, cwd: str | None, timeout_s: int, each: int
) -> Ran:
    """Run a command to its end, at most `timeout_s`, keeping both ends of what it prints."""
    stdout, stderr = Ends(each=each), Ends(each=each)
    result = sandbox.run(
        list(argv),
        cwd=cwd,
        timeout=timeout_s,
        on_stdout=stdout.take,
        on_stderr=stderr.take,
        check=False,
        capture_output=False,
    )
    return Ran(
        exit_code=result.exit_code,
        timed_out=result.timed_out,
        stdout=stdout.text,
        stderr=stderr.text,
    )
