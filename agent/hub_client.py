"""huggingface_hub made fit for a gateway: bounded waits, no retries, errors that say what is known.

Blocking; called from the threads of `agent.hub` alone, which imports it when it is first needed.
The library keeps one HTTP client for the whole process, waits without end, and repeats reads five
times. Here every request has a limit, nothing is repeated, and each call remembers whether the Hub
has already accepted something of it: after that no error may say that nothing happened.
"""

import logging
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
from huggingface_hub import HfApi, hf_hub_url, set_client_factory
from huggingface_hub.errors import HfHubHTTPError, SandboxError
from huggingface_hub.utils._http import default_client_factory, get_session
from huggingface_hub.utils.tqdm import disable_progress_bars

CONNECT_S = 5.0
_REPEATED = frozenset({429, 500, 502, 503, 504})
"""Answers the library would wait for and ask again."""
_WITHOUT_EFFECT = ("/preupload/", "/api/validate-yaml")
_BUSY = "another conflicting operation is in progress"

Result = TypeVar("Result")


class Answered(Exception):
    """The Hub said no. `status` is HTTP's; `text` its own words."""

    def __init__(self, status: int, text: str, code: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.code = code


class NotReached(Exception):
    """No connection came about: nothing of the request left this machine."""


class Unclear(Exception):
    """The request may have been taken, or something of the call was taken before it failed."""


@dataclass(slots=True)
class _Call:
    """One call in its thread: how long a request may take, and whether the Hub took anything."""

    limit_s: float
    sent: bool = False
    took: bool = False


_current: ContextVar[_Call | None] = ContextVar("hub_call", default=None)
_lock = threading.Lock()
_configured = False


class _BoundedClient(httpx2.Client):
    """The library's client with a limit on every wait and without answers it would repeat."""

    def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        call = _current.get() or _Call(limit_s=30.0)
        waits = dict(request.extensions.get("timeout") or {})
        for part in ("connect", "read", "write", "pool"):
            most = CONNECT_S if part in ("connect", "pool") else call.limit_s
            waits[part] = most if waits.get(part) is None else min(waits[part], most)
        request.extensions = {**request.extensions, "timeout": waits}
        call.sent = True
        try:
            response = super().send(request, **how)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as exc:
            raise NotReached(type(exc).__name__) from exc
        except httpx2.HTTPError as exc:
            raise Unclear(type(exc).__name__) from exc
        if response.is_success and request.method not in ("GET", "HEAD"):
            call.took |= not any(part in request.url.path for part in _WITHOUT_EFFECT)
        if response.status_code in _REPEATED or response.status_code == 409:
            response.read()
            if response.status_code != 409 or _BUSY in response.text:
                raise Answered(response.status_code, response.text)
        return response


def api_for(endpoint: str, token: str) -> HfApi:
    """The library's client of one account. The first call sets the process's HTTP client."""
    global _configured  # noqa: PLW0603 - the library has one client per process
    with _lock:
        if not _configured:
            set_client_factory(_client)
            disable_progress_bars()
            logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
            _configured = True
    return HfApi(endpoint=endpoint, token=token, library_name="gatepost")


def _client() -> httpx2.Client:
    library = default_client_factory()
    hooks = library.event_hooks
    library.close()
    return _BoundedClient(event_hooks=hooks, follow_redirects=True, timeout=None)


def perform(work: Callable[[HfApi], Result], api: HfApi, limit_s: float) -> Result:
    """Do some work; raises Answered, NotReached or Unclear and nothing else of the library's."""
    call = _Call(limit_s=limit_s)
    token = _current.set(call)
    try:
        return work(api)
    except (Answered, NotReached) as exc:
        if call.took:
            raise Unclear(str(exc)) from exc
        raise
    except HfHubHTTPError as exc:
        raise _answered(exc, took=call.took) from exc
    except SandboxError as exc:
        raise _of_sandbox(exc) from exc
    except (httpx2.HTTPError, httpx2.StreamError, OSError) as exc:
        raise Unclear(type(exc).__name__) from exc
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as exc:
        if not call.sent:  # the library itself would not send it
            raise Answered(400, str(exc)) from exc
        raise Unclear(f"an answer that can't be read ({type(exc).__name__})") from exc
    finally:
        _current.reset(token)


def _answered(error: HfHubHTTPError, *, took: bool) -> Answered | Unclear:
    status = error.response.status_code
    text = error.server_message or error.response.headers.get("X-Error-Message", "")
    if took or status >= 500 or status == 408:
        return Unclear(f"HTTP {status}")
    code = error.response.headers.get("X-Error-Code", "")
    return Answered(status, text or f"HTTP {status}", code)


def _of_sandbox(error: SandboxError) -> Answered | Unclear:
    status = getattr(error, "status_code", None)
    if status is not None and 400 <= status < 500:
        return Answered(status, str(error))
    return Unclear(str(error))


def catalogue(api: HfApi) -> Any:
    """The sizes jobs can have and their prices, as the Hub sends them.

    Not `list_jobs_hardware`: one entry it does not understand would cost all the others.
    """
    response = get_session().get(
        f"{api.endpoint}/api/jobs/hardware", headers=api._build_hf_headers()
    )
    if response.status_code != 200:
        raise Answered(response.status_code, response.text[:200])
    return response.json()


def file_start(
    api: HfApi, *, kind: str, repo: str, path: str, revision: str | None, most: int
) -> tuple[bytes, bool]:
    """At most `most` bytes of a file, and whether that is all of it. Nothing goes to a disk."""
    url = hf_hub_url(repo, path, repo_type=kind, revision=revision, endpoint=api.endpoint)
    taken = bytearray()
    with get_session().stream("GET", url, headers=api._build_hf_headers()) as response:
        if response.status_code != 200:
            response.read()
            text = response.headers.get("X-Error-Message") or f"HTTP {response.status_code}"
            raise Answered(response.status_code, text, response.headers.get("X-Error-Code", ""))
        for piece in response.iter_bytes():
            taken += piece
            if len(taken) > most:
                return bytes(taken[:most]), False
    return bytes(taken), True
