"""A page for people: the jobs, schedules and repositories, and what may happen to a job.

No external resources.
"""

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from tests.wire.hub.world import FINAL, Job

if TYPE_CHECKING:
    from tests.wire.hub.server import HubServer

HEAD = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Hub on loopback</title><link rel="icon" href="data:,">
<style>
 body{font:16px/1.4 system-ui,sans-serif;max-width:60rem;margin:1rem auto;padding:0 1rem}
 table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #8884;padding:.3rem;
 text-align:left;overflow-wrap:anywhere}form{display:inline}code{overflow-wrap:anywhere}
</style>
<h1>Hub on loopback</h1>
"""


class Page:
    """What a person sees and does."""

    def __init__(self, server: "HubServer") -> None:
        self._server = server
        self._world = server.world

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The page and its buttons."""
        return [web.get("/", self._show), web.post("/page/{action}", self._act)]

    async def _show(self, request: web.Request) -> web.Response:
        world = self._world
        parts = [HEAD, f"<p>Now: {world.clock.now:%Y-%m-%d %H:%M:%S} UTC "]
        parts += [_button("later", "", "10 min later"), "</p><h2>Jobs</h2><table>"]
        parts += ["<tr><th>id<th>account<th>size<th>state<th>command<th></tr>"]
        parts += [self._job(job) for job in reversed(world.jobs.values())]
        parts += ["</table><h2>Schedules</h2><ul>"]
        for schedule in world.schedules.values():
            state = "suspended" if schedule.suspend else "active"
            line = f"{schedule.id} {schedule.owner} {schedule.schedule} ({state}) "
            parts += ["<li>", html.escape(line), _button("fire", schedule.id, "Run now")]
        parts += ["</ul><h2>Repositories</h2><ul>"]
        for (kind, name), repo in world.repos.items():
            files = ", ".join(sorted(repo.head.files)) or "no files"
            parts += ["<li>", html.escape(f"{kind} {name} ({repo.visibility}): {files}")]
        parts += ["</ul>"]
        return web.Response(text="".join(parts), content_type="text/html")

    def _job(self, job: Job) -> str:
        cells = (job.id, job.owner, str(job.spec.get("flavor")), job.stage)
        command = " ".join(job.spec.get("command") or ())[:200]
        actions = ""
        if job.stage == "SCHEDULING":
            actions = _button("start", job.id, "Start")
        elif job.stage not in FINAL:
            actions = _button("finish", job.id, "Finish") + _button("fail", job.id, "Fail")
        shown = "".join(f"<td>{html.escape(cell)}" for cell in cells)
        return f"<tr>{shown}<td><code>{html.escape(command)}</code><td>{actions}</tr>"

    async def _act(self, request: web.Request) -> web.Response:
        form = await request.post()
        about = str(form.get("id", ""))
        match request.match_info["action"]:
            case "later":
                self._world.clock.advance(minutes=10)
            case "start":
                self._world.start(self._world.jobs[about])
            case "finish":
                self._world.finish(self._world.jobs[about])
            case "fail":
                self._world.finish(self._world.jobs[about], "ERROR", "Exit code 1")
            case "fire":
                self._world.fire(self._world.schedules[about])
            case _:
                raise web.HTTPNotFound
        raise web.HTTPSeeOther("/")


def _button(action: str, about: str, text: str) -> str:
    return (
        f'<form method="post" action="/page/{action}">'
        f'<input type="hidden" name="id" value="{html.escape(about)}">'
        f"<button>{html.escape(text)}</button></form> "
    )
