"""Jobs and schedules over HTTP, as the Hub's Jobs API answers.

Source: https://huggingface.co/docs/hub/jobs and the client's own request code.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.wire.hub.world import SANDBOX_PORT, Account, Job, Refusal, Schedule, stamp

if TYPE_CHECKING:
    from tests.wire.hub.server import HubServer

LABEL = re.compile(r"[A-Za-z0-9_-]{1,100}")
ALIASES = ("@annually", "@yearly", "@monthly", "@weekly", "@daily", "@hourly")


class Jobs:
    """The routes below /api/jobs and /api/scheduled-jobs."""

    def __init__(self, server: "HubServer") -> None:
        self._server = server
        self._world = server.world

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """All of them; `hardware` stands before the namespaces."""
        wrap = self._server.answering
        return [
            web.get("/api/jobs/hardware", wrap("jobs.hardware", self._hardware)),
            web.post("/api/jobs/{ns}", wrap("jobs.run", self._run)),
            web.get("/api/jobs/{ns}", wrap("jobs.list", self._list)),
            web.get("/api/jobs/{ns}/{id}", wrap("jobs.inspect", self._inspect)),
            web.post("/api/jobs/{ns}/{id}/cancel", wrap("jobs.cancel", self._cancel)),
            web.get("/api/jobs/{ns}/{id}/logs", wrap("jobs.logs", self._logs)),
            web.post("/api/scheduled-jobs/{ns}", wrap("scheduled.create", self._schedule)),
            web.get("/api/scheduled-jobs/{ns}", wrap("scheduled.list", self._schedules)),
            web.get("/api/scheduled-jobs/{ns}/{id}", wrap("scheduled.inspect", self._scheduled)),
            web.delete("/api/scheduled-jobs/{ns}/{id}", wrap("scheduled.delete", self._delete)),
            web.post(
                "/api/scheduled-jobs/{ns}/{id}/suspend", wrap("scheduled.suspend", self._suspend)
            ),
            web.post(
                "/api/scheduled-jobs/{ns}/{id}/resume", wrap("scheduled.resume", self._resume)
            ),
            web.post("/api/scheduled-jobs/{ns}/{id}/run", wrap("scheduled.trigger", self._trigger)),
        ]

    async def _hardware(self, request: web.Request, account: Account | None) -> web.Response:
        raw = self._world.raw_catalogue
        listed = [flavor.shown() for flavor in self._world.flavors.values()]
        return web.json_response(listed if raw is None else raw)

    async def _run(self, request: web.Request, account: Account | None) -> web.Response:
        person, namespace = self._writer(request, account)
        spec = await body_of(request)
        self._check(spec)
        initiator = {"type": "user", "id": person.id, "name": person.name}
        job = self._world.launch(namespace, person.name, spec, initiator)
        return web.json_response(self.shown(job))

    async def _list(self, request: web.Request, account: Account | None) -> web.Response:
        namespace = self._reader(request, account)
        if self._world.on_listing is not None:
            self._world.on_listing()
        stages = request.query.getall("stage", [])
        labels = [tuple(text.split("=", 1)) for text in request.query.getall("label", [])]
        found = [
            job
            for job in self._world.listing(namespace)
            if (not stages or job.stage in stages)
            and all(job.labels.get(key) == value for key, value in labels)
        ]
        first = int(request.query.get("cursor", "0"))
        size = self._world.page_size
        headers = {}
        if first + size < len(found):
            following = request.url.update_query(cursor=str(first + size))
            headers["Link"] = f'<{following}>; rel="next"'
        page = [self.shown(job) for job in found[first : first + size]]
        return web.json_response(page, headers=headers)

    async def _inspect(self, request: web.Request, account: Account | None) -> web.Response:
        return web.json_response(self.shown(self._job(request, account)))

    async def _cancel(self, request: web.Request, account: Account | None) -> web.Response:
        self._writer(request, account)
        job = self._job(request, account)
        self._world.cancel(job)
        return web.json_response(self.shown(job))

    async def _logs(self, request: web.Request, account: Account | None) -> web.Response:
        job = self._job(request, account)
        tail = request.query.get("tail")
        lines = job.logs if tail is None else job.logs[-int(tail) :]
        events = "".join(
            f"data: {json.dumps({'timestamp': stamp(at), 'data': text})}\n\n" for at, text in lines
        )
        return web.Response(text=events, content_type="text/event-stream")

    async def _schedule(self, request: web.Request, account: Account | None) -> web.Response:
        person, namespace = self._writer(request, account)
        body = await body_of(request)
        self._check(body.get("jobSpec") or {})
        when = str(body.get("schedule", ""))
        if when not in ALIASES and len(when.split()) != 5:
            raise Refusal(400, "Invalid schedule")
        made = Schedule(
            id=self._world.new_id("schedule"),
            owner=namespace,
            by=person.name,
            spec=body["jobSpec"],
            schedule=when,
            created=self._world.clock.now,
            suspend=bool(body.get("suspend", False)),
            concurrency=bool(body.get("concurrency", False)),
        )
        self._world.schedules[made.id] = made
        return web.json_response(self._shown_schedule(made))

    async def _schedules(self, request: web.Request, account: Account | None) -> web.Response:
        namespace = self._reader(request, account)
        label = request.query.get("label")
        found = [
            self._shown_schedule(schedule)
            for schedule in self._world.schedules.values()
            if schedule.owner == namespace and (label is None or label in labels_of(schedule.spec))
        ]
        return web.json_response([] if self._world.empty_listing else found)

    async def _scheduled(self, request: web.Request, account: Account | None) -> web.Response:
        return web.json_response(self._shown_schedule(self._of_schedule(request, account)))

    async def _delete(self, request: web.Request, account: Account | None) -> web.Response:
        self._writer(request, account)
        schedule = self._of_schedule(request, account)
        del self._world.schedules[schedule.id]
        return web.json_response({})

    async def _suspend(self, request: web.Request, account: Account | None) -> web.Response:
        self._writer(request, account)
        self._of_schedule(request, account).suspend = True
        return web.json_response({})

    async def _resume(self, request: web.Request, account: Account | None) -> web.Response:
        self._writer(request, account)
        self._of_schedule(request, account).suspend = False
        return web.json_response({})

    async def _trigger(self, request: web.Request, account: Account | None) -> web.Response:
        self._writer(request, account)
        job = self._world.fire(self._of_schedule(request, account))
        return web.json_response(self.shown(job))

    def shown(self, job: Job) -> dict[str, Any]:
        """A job as the API's JSON has it."""
        spec, now = job.spec, self._world.clock.now
        began, ended = job.started, job.finished
        total = int(((ended or now) - job.created).total_seconds())
        running = None if began is None else int(((ended or now) - began).total_seconds())
        waited = None if began is None else int((began - job.created).total_seconds())
        ports = (spec.get("expose") or {}).get("ports") or []
        return {
            "id": job.id,
            "createdAt": stamp(job.created),
            "startedAt": stamp(began) if began else None,
            "finishedAt": stamp(ended) if ended else None,
            "dockerImage": spec.get("dockerImage"),
            "spaceId": spec.get("spaceId"),
            "command": spec.get("command"),
            "arguments": spec.get("arguments"),
            "environment": spec.get("environment"),
            "secrets": dict.fromkeys(spec.get("secrets") or {}, "***"),
            "flavor": spec.get("flavor"),
            "labels": job.labels,
            "volumes": spec.get("volumes"),
            "expose": spec.get("expose"),
            "status": {
                "stage": job.stage,
                "message": job.message,
                "exposeUrls": [self._proxied(job, port) for port in ports] or None,
                "sshUrl": f"ssh://{job.id}@ssh.loopback" if spec.get("ssh") else None,
            },
            "durations": {"schedulingSecs": waited, "runningSecs": running, "totalSecs": total},
            "owner": {"id": job.owner, "name": job.owner, "type": "user"},
            "initiator": dict(job.initiator),
        }

    def _proxied(self, job: Job, port: int) -> str:
        if port == SANDBOX_PORT:
            return f"{self._server.url}/proxy/{job.id}--{port}.hf.jobs"
        return f"https://{job.id}--{port}.hf.jobs"

    def _shown_schedule(self, schedule: Schedule) -> dict[str, Any]:
        last = schedule.last
        spec = {**schedule.spec, "timeout": schedule.spec.get("timeoutSeconds")}
        spec["secrets"] = dict.fromkeys(schedule.spec.get("secrets") or {}, "***")
        return {
            "id": schedule.id,
            "createdAt": stamp(schedule.created),
            "jobSpec": spec,
            "schedule": schedule.schedule,
            "suspend": schedule.suspend,
            "concurrency": schedule.concurrency,
            "status": {
                "lastJob": {"id": last.id, "at": stamp(last.created)} if last else None,
                "nextJobRunAt": None,
            },
            "owner": {"id": schedule.owner, "name": schedule.owner, "type": "user"},
        }

    def _check(self, spec: Mapping[str, Any]) -> None:
        if spec.get("flavor") not in self._world.flavors:
            raise Refusal(400, f"Invalid flavor: {spec.get('flavor')}")
        if not (bool(spec.get("dockerImage")) ^ bool(spec.get("spaceId"))):
            raise Refusal(400, "Exactly one of dockerImage and spaceId is needed")
        command = spec.get("command")
        if not isinstance(command, list) or not all(isinstance(part, str) for part in command):
            raise Refusal(400, "command must be a list of strings")
        timeout = spec.get("timeoutSeconds")
        if timeout is not None and (not isinstance(timeout, int) or timeout <= 0):
            raise Refusal(400, "timeoutSeconds must be a positive integer")
        for key, value in (spec.get("labels") or {}).items():
            if not LABEL.fullmatch(key) or not LABEL.fullmatch(value):
                raise Refusal(400, f"Invalid label: {key}={value}")
        for name, value in (spec.get("environment") or {}).items():
            if len(f"{name}={value}") >= 131_072:  # one string of execve
                raise Refusal(400, f"Environment variable too long: {name}")

    def _reader(self, request: web.Request, account: Account | None) -> str:
        namespace = request.match_info["ns"]
        if account is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        if not account.may_read(namespace):
            raise Refusal(403, "You don't have the required permissions")
        return namespace

    def _writer(self, request: web.Request, account: Account | None) -> tuple[Account, str]:
        namespace = self._reader(request, account)
        assert account is not None
        if not account.may_write(namespace):
            raise Refusal(403, "You don't have the required permissions")
        return account, namespace

    def _job(self, request: web.Request, account: Account | None) -> Job:
        namespace = self._reader(request, account)
        job = self._world.jobs.get(request.match_info["id"])
        if job is None or job.owner != namespace:
            raise Refusal(404, "Job not found")
        return job

    def _of_schedule(self, request: web.Request, account: Account | None) -> Schedule:
        namespace = self._reader(request, account)
        schedule = self._world.schedules.get(request.match_info["id"])
        if schedule is None or schedule.owner != namespace:
            raise Refusal(404, "Scheduled job not found")
        return schedule


async def body_of(request: web.Request) -> dict[str, Any]:
    """The JSON object of a request."""
    body = await request.json()
    if not isinstance(body, dict):
        raise Refusal(400, "an object is needed")
    return body


def labels_of(spec: Mapping[str, Any]) -> list[str]:
    """The labels of a job as a filter writes them."""
    return [f"{key}={value}" for key, value in (spec.get("labels") or {}).items()]
