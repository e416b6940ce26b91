"""Two clients of Slack's own that this project does not use, driven from a test.

slack_sdk's blocking client, and Slack's Node SDK: a process that is told which calls to make.
"""

import asyncio
import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.webhook import WebhookClient

Json = dict[str, Any]
NODE_PACKAGES = ("@slack/web-api@8.2.0", "@slack/socket-mode@3.1.0")
NODE_PROGRAM = r"""
const {WebClient} = require('@slack/web-api');
const {SocketModeClient} = require('@slack/socket-mode');
const quiet = {debug() {}, info() {}, warn() {}, error() {}, setLevel() {}, getLevel() {},
  setName() {}};
const acts = {
  async put({to, text}) {
    const answer = await fetch(to, {method: 'POST', body: text});
    return {status: answer.status};
  },
  async respond({to, body}) {
    const headers = {'Content-Type': 'application/json'};
    const answer = await fetch(to, {method: 'POST', headers, body: JSON.stringify(body)});
    return {status: answer.status};
  },
  async fetch({from, token}) {
    const answer = await fetch(from, {headers: {Authorization: 'Bearer ' + token}});
    return {status: answer.status, text: await answer.text()};
  },
  async connect({token}, options) {
    const socket = new SocketModeClient({appToken: token, clientOptions: options, logger: quiet});
    await socket.start();
    await socket.disconnect();
    return {};
  },
};
async function made({url, token, method, given}) {
  const options = {slackApiUrl: url + '/api/', allowAbsoluteUrls: true, logger: quiet,
    retryConfig: {retries: 0}};
  if (acts[method]) return acts[method](given, options);
  const call = method.split('.').reduce((at, name) => at[name], new WebClient(token, options));
  try { return await call(given); }
  catch (error) { if (error.data) return error.data; throw error; }
}
require('readline').createInterface({input: process.stdin}).on('line', async line => {
  let said;
  try { said = await made(JSON.parse(line)); }
  catch (error) { said = {broken: String(error && error.stack || error)}; }
  process.stdout.write(JSON.stringify(said) + '\n');
});
"""


class Client(Protocol):
    """What a step needs of a client; what Slack refuses comes back with `ok` false."""

    async def call(self, method: str, token: str, given: Mapping[str, Any]) -> Json: ...

    async def put(self, url: str, data: bytes) -> int: ...

    async def respond(self, url: str, body: Json) -> int: ...

    async def fetch(self, url: str, token: str) -> tuple[int, str]: ...

    async def connect(self, token: str) -> None: ...


class Blocking:
    """slack_sdk's blocking clients, each call in a thread of its own."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/"

    async def call(self, method: str, token: str, given: Mapping[str, Any]) -> Json:
        """The client's own function for that method."""
        client = WebClient(token=token, base_url=self._url, proxy=None)
        app = {"app_token": token} if method == "apps.connections.open" else {}
        function = getattr(client, method.replace(".", "_"))
        try:
            answer = await asyncio.to_thread(function, **given, **app)
        except SlackApiError as exc:
            answer = exc.response
        assert isinstance(answer.data, dict)
        return answer.data

    async def put(self, url: str, data: bytes) -> int:
        """The bytes of a file."""
        request = urllib.request.Request(url, data=data, method="POST")
        return (await asyncio.to_thread(_opened, request))[0]

    async def respond(self, url: str, body: Json) -> int:
        """An answer to a press."""
        return (await asyncio.to_thread(WebhookClient(url).send_dict, body)).status_code

    async def fetch(self, url: str, token: str) -> tuple[int, str]:
        """A private file."""
        headers = {"Authorization": f"Bearer {token}"}
        return await asyncio.to_thread(_opened, urllib.request.Request(url, headers=headers))

    async def connect(self, token: str) -> None:
        """A socket is opened and closed."""
        web = WebClient(base_url=self._url, proxy=None)
        socket = SocketModeClient(app_token=token, web_client=web, ping_interval=0.1)
        await asyncio.to_thread(socket.connect)
        await asyncio.to_thread(socket.close)
        socket.message_workers.shutdown(wait=True)


def _opened(request: urllib.request.Request) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, ""


class Node:
    """Slack's Node SDK; one process for any number of servers."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self._url = url

    async def call(self, method: str, token: str, given: Mapping[str, Any]) -> Json:
        """The client's own function for that method."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        order = {"url": self._url, "token": token, "method": method, "given": dict(given)}
        stdin.write(json.dumps(order).encode() + b"\n")
        async with asyncio.timeout(60):
            answer: Json = json.loads(await stdout.readline())
        assert "broken" not in answer, answer["broken"]
        return answer

    async def put(self, url: str, data: bytes) -> int:
        """The bytes of a file."""
        return int((await self.call("put", "", {"to": url, "text": data.decode()}))["status"])

    async def respond(self, url: str, body: Json) -> int:
        """An answer to a press."""
        return int((await self.call("respond", "", {"to": url, "body": body}))["status"])

    async def fetch(self, url: str, token: str) -> tuple[int, str]:
        """A private file."""
        answer = await self.call("fetch", "", {"from": url, "token": token})
        return int(answer["status"]), str(answer["text"])

    async def connect(self, token: str) -> None:
        """A socket is opened and closed."""
        await self.call("connect", "", {"token": token})


async def node_process() -> asyncio.subprocess.Process:
    """A running Node SDK; skips the test where there is none."""
    folder = await asyncio.to_thread(node_modules)
    (folder / "calls.js").write_text(NODE_PROGRAM)
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        "node", "calls.js", cwd=folder, stdin=pipe, stdout=pipe
    )


def node_modules() -> Path:
    """A folder with Slack's Node SDK, installed once per machine; skips, saying why not."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    versions = "-".join(package.rpartition("@")[2] for package in NODE_PACKAGES)
    folder = Path(tempfile.gettempdir()) / f"gatepost-slack-node-{versions}"
    if not (folder / "ready").exists():
        folder.mkdir(exist_ok=True)
        made = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *NODE_PACKAGES],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if made.returncode != 0:
            pytest.skip(f"npm could not install Slack's Node SDK: {made.stderr[-200:]}")
        (folder / "ready").touch()
    return folder
