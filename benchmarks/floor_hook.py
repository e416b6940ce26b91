"""The floor of intake: a bare HTTP server that reads an update and answers 200, storing nothing.

Run as a process: `python -m benchmarks.floor_hook PORT`.
"""

import sys

import orjson
from aiohttp import web


async def take(request: web.Request) -> web.Response:
    """Read one update."""
    orjson.loads(await request.read())
    return web.Response()


def main() -> None:
    """Serve until killed."""
    application = web.Application()
    application.router.add_post("/telegram/webhook", take)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


if __name__ == "__main__":
    main()
