"""The loopback Hub's own rules."""

from typing import Any

import aiohttp
import pytest

from tests.wire.hub import HubServer

JOB: dict[str, Any] = {
    "dockerImage": "python:3.12",
    "command": ["true"],
    "arguments": [],
    "environment": {},
    "flavor": "cpu-basic",
    "timeoutSeconds": 60,
}


async def call(
    server: HubServer, method: str, path: str, *, token: str | None = "ours", **how: Any
) -> tuple[int, Any]:
    """Ask the server; returns status and JSON."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    if token == "ours":
        headers["Authorization"] = f"Bearer {server.token}"
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, server.url + path, headers=headers, **how) as response,
    ):
        kind = response.content_type
        return response.status, await (response.json() if "json" in kind else response.text())


@pytest.mark.parametrize(
    ("method", "path", "token", "status"),
    [
        ("GET", "/api/whoami-v2", None, 401),
        ("GET", "/api/whoami-v2", "hf_nobody", 401),
        ("GET", "/api/jobs/dana", None, 401),
        ("GET", "/api/jobs/strangers", "ours", 403),
        ("POST", "/api/jobs/club", "ours", 403),
        ("GET", "/api/jobs/club", "ours", 200),
        ("GET", "/api/models/strangers/hidden", "ours", 404),
        ("GET", "/api/models/strangers/hidden", None, 401),
        ("GET", "/api/models/strangers/open", None, 200),
        ("PUT", "/api/models/strangers/open/settings", "ours", 403),
        ("POST", "/api/repos/create", None, 401),
    ],
)
async def test_who_may_what(method: str, path: str, token: str | None, status: int) -> None:
    """Tokens, memberships and visibility are held as the Hub holds them."""
    async with HubServer() as server:
        server.world.repo("model", "strangers/hidden", private=True)
        server.world.repo("model", "strangers/open")

        assert (await call(server, method, path, token=token, json={"name": "x"}))[0] == status


@pytest.mark.parametrize(
    "wrong",
    [
        {"flavor": "tpu"},
        {"command": "true"},
        {"dockerImage": None},
        {"spaceId": "a/b"},
        {"timeoutSeconds": 0},
        {"timeoutSeconds": "1h"},
        {"labels": {"a b": "c"}},
        {"labels": {"a": "c" * 101}},
        {"labels": {"a": "ü"}},
        {"environment": {"A": "x" * 131_072}},
    ],
)
async def test_a_job_has_to_be_one(wrong: dict[str, Any]) -> None:
    """What the Hub refuses is refused, and starts nothing."""
    async with HubServer() as server:
        status, body = await call(server, "POST", "/api/jobs/dana", json={**JOB, **wrong})

        assert (status, list(body)) == (400, ["error"])
        assert server.world.jobs == {}


async def test_secrets_of_a_job_are_not_told_again() -> None:
    """Whoever looks at a job sees the names alone."""
    async with HubServer() as server:
        spec = {**JOB, "secrets": {"KEY": "value-nobody-sees"}}
        _, shown = await call(server, "POST", "/api/jobs/dana", json=spec)

    assert shown["secrets"] == {"KEY": "***"}
    assert "value-nobody-sees" not in str(shown)


async def test_a_listing_goes_by_pages_and_filters() -> None:
    """The newest first; labels and stages must all fit."""
    async with HubServer() as server:
        server.world.page_size = 2
        for number in range(5):
            await call(
                server, "POST", "/api/jobs/dana", json={**JOB, "labels": {"n": str(number % 2)}}
            )
        first = next(iter(server.world.jobs.values()))
        server.world.start(first)
        _, page = await call(server, "GET", "/api/jobs/dana?label=n=0")
        _, rest = await call(server, "GET", "/api/jobs/dana?label=n=0&cursor=2")
        _, running = await call(server, "GET", "/api/jobs/dana?stage=RUNNING")

    assert len(page) == 2
    assert [job["id"] for job in rest] == [first.id] == [job["id"] for job in running]


async def test_an_unknown_request_is_an_error_of_the_test() -> None:
    """Nothing passes that the server does not play."""
    server = HubServer()
    with pytest.raises(AssertionError, match="unscripted"):
        async with server:
            assert (await call(server, "GET", "/api/unknown"))[0] == 404


async def test_a_person_starts_and_ends_jobs_on_the_page() -> None:
    """The page shows what there is, escaped, with a button for what may happen next."""
    async with HubServer() as server:
        spec = {**JOB, "command": ["<b>"]}
        _, job = await call(server, "POST", "/api/jobs/dana", json=spec)
        server.world.repo("model", "dana/m", private=True, files={"a.txt": b""})
        _, before = await call(server, "GET", "/")
        await call(server, "POST", "/page/start", data={"id": job["id"]})
        await call(server, "POST", "/page/later")
        await call(server, "POST", "/page/finish", data={"id": job["id"]})
        _, after = await call(server, "GET", "/")
        _, ended = await call(server, "GET", f"/api/jobs/dana/{job['id']}")

    assert "&lt;b&gt;" in before
    assert "/page/start" in before
    assert "dana/m (private): a.txt" in before
    assert "COMPLETED" in after
    assert ended["durations"]["runningSecs"] == 600
