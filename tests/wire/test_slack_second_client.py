"""Clients we did not write the server for drive it unmodified.

slack_sdk's blocking client with its own websocket, and Slack's Node SDK where node and npm are.
"""

import asyncio
import json
import threading
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from tests.wire.slack import SlackServer
from tests.wire.slack_clients import node_modules

ADA = "U1"
GENERAL = "C1"
NODE_PROGRAM = r"""
const {WebClient} = require('@slack/web-api');
const {SocketModeClient} = require('@slack/socket-mode');
const [url, bot, app] = process.argv.slice(2);
const options = {slackApiUrl: url + '/api/', allowAbsoluteUrls: true};
const web = new WebClient(bot, options);
const socket = new SocketModeClient({appToken: app, clientOptions: options});
const said = text => process.stdout.write(text + '\n');
socket.on('message', async ({event, ack}) => {
  await ack();
  if (event.bot_id || event.subtype) return;
  const button = {type: 'button', action_id: 'go', value: 'token',
    text: {type: 'plain_text', text: 'Go'}};
  const posted = await web.chat.postMessage({channel: event.channel, thread_ts: event.ts,
    text: 'you said ' + event.text, blocks: [
      {type: 'rich_text', elements: [{type: 'rich_text_section', elements: [
        {type: 'text', text: 'you said ' + event.text}]}]},
      {type: 'actions', elements: [button]}]});
  await web.reactions.add({channel: event.channel, timestamp: event.ts, name: 'eyes'});
  const read = await web.conversations.replies({channel: event.channel, ts: event.ts});
  said('posted ' + posted.ts + ' of ' + read.messages.length);
});
socket.on('interactive', async ({body, ack}) => {
  if (body.type === 'view_submission') {
    await ack({response_action: 'clear'});
    return said('filled in ' + body.view.state.values.why.why.value);
  }
  await ack();
  await web.views.open({trigger_id: body.trigger_id, view: {type: 'modal', callback_id: 'form',
    title: {type: 'plain_text', text: 'Form'}, submit: {type: 'plain_text', text: 'OK'},
    blocks: [{type: 'input', block_id: 'why', label: {type: 'plain_text', text: 'Why?'},
      element: {type: 'plain_text_input', action_id: 'why'}}]}});
  await web.chat.update({channel: body.channel.id, ts: body.message.ts, text: 'done'});
  await web.filesUploadV2({channel_id: body.channel.id, filename: 'a.txt', content: 'abc'});
  said('pressed ' + body.actions[0].value);
});
socket.on('slash_commands', async ({body, ack}) => {
  await ack({text: 'heard ' + body.text});
  said('command ' + body.text);
});
(async () => {
  try { await new WebClient('xoxb-wrong', options).auth.test(); }
  catch (error) { said('refused ' + error.data.error); }
  const us = await web.auth.test();
  await socket.start();
  said('started ' + us.user_id);
})();
"""

FORM = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "Form"},
    "submit": {"type": "plain_text", "text": "OK"},
    "blocks": [
        {
            "type": "input",
            "label": {"type": "plain_text", "text": "Why?"},
            "element": {"type": "plain_text_input"},
        }
    ],
}


class Blocking:
    """slack_sdk's blocking clients, answering what comes over the socket."""

    def __init__(self, server: SlackServer) -> None:
        self.web = WebClient(token=server.bot_token, base_url=f"{server.url}/api/", proxy=None)
        self.socket = SocketModeClient(
            app_token=server.app_token, web_client=self.web, ping_interval=0.2
        )
        self.socket.socket_mode_request_listeners.append(self.heard)
        self.kinds: list[str] = []
        self.edited = threading.Event()

    def heard(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        """Posts a button under a message and edits it once pressed."""
        self.kinds.append(request.type)
        payload = request.payload
        sent = payload.get("type") == "view_submission"
        answer = {"response_action": "clear"} if sent else None
        client.send_socket_mode_response(
            SocketModeResponse(envelope_id=request.envelope_id, payload=answer)
        )
        if request.type == "events_api" and payload["event"].keys().isdisjoint(
            {"bot_id", "subtype"}
        ):
            event = payload["event"]
            button = {
                "type": "button",
                "action_id": "go",
                "value": "token",
                "text": {"type": "plain_text", "text": "Go"},
            }
            self.web.chat_postMessage(
                channel=event["channel"],
                text=f"you said {event['text']}",
                blocks=[
                    {
                        "type": "section",
                        "text": {"type": "plain_text", "text": f"you said {event['text']}"},
                    },
                    {"type": "actions", "elements": [button]},
                ],
            )
        elif request.type == "interactive" and payload["type"] == "block_actions":
            self.web.views_open(trigger_id=payload["trigger_id"], view=FORM)
            self.web.chat_update(
                channel=payload["channel"]["id"], ts=payload["message"]["ts"], text="done"
            )
            self.edited.set()

    def files(self, channel: str) -> Any:
        """The three calls of an upload."""
        return self.web.files_upload_v2(channel=channel, filename="a.txt", content="abc")

    def refused(self) -> str:
        """What a wrong token is told."""
        with pytest.raises(SlackApiError) as refusal:
            WebClient(token="xoxb-wrong", base_url=self.web.base_url).auth_test()
        return str(refusal.value.response["error"])


async def until(server: SlackServer, operation: str) -> None:
    """Waits for a request of an operation."""
    await server.seen(lambda seen: seen.operation == operation)


@pytest.mark.slow
async def test_the_blocking_client_answers_a_message_and_a_press() -> None:
    """Message, button, press and edit through slack_sdk's own websocket, which closes slowly."""
    async with SlackServer() as server:
        client = Blocking(server)
        assert await asyncio.to_thread(client.refused) == "invalid_auth"
        await asyncio.to_thread(client.socket.connect)
        await server.connected()
        await server.say(chat="D1", user=ADA, text="hello")
        await until(server, "chat.postMessage")
        answer = server.ours("D1")[0]
        assert (answer.text, answer.labels) == ("you said hello", ("Go",))
        await server.press(chat="D1", ts=answer.ts, user=ADA, label="Go")
        await asyncio.to_thread(client.edited.wait, 5)
        assert server.ours("D1")[0].text == "done"
        await server.submit(ADA, {"Why?": "so"})
        await asyncio.to_thread(client.files, "D1")
        assert [file.data for file in server.ours("D1")[1].files] == [b"abc"]
        await server.settled()
        assert client.kinds.count("interactive") == 2
        assert server.interactions.modals[0].closed
        await asyncio.to_thread(client.socket.close)
        client.socket.message_workers.shutdown(wait=True)


@pytest.mark.slow
async def test_the_blocking_client_reconnects() -> None:
    """A refresh moves it to a new connection and no event is lost; closing is slow."""
    async with SlackServer(echoes=False) as server:
        client = Blocking(server)
        await asyncio.to_thread(client.socket.connect)
        await server.connected()
        await server.transport.disconnect("refresh_requested")
        await server.connected(opened=2)
        await server.say(chat="D1", user=ADA, text="hello")
        await until(server, "chat.postMessage")
        assert server.ours("D1")[0].text == "you said hello"
        await asyncio.to_thread(client.socket.close)
        client.socket.message_workers.shutdown(wait=True)


@pytest.mark.slow
async def test_slacks_node_sdk_answers_a_message_and_a_press() -> None:
    """Slack's own other SDK agrees with the server; installing it takes its time once."""
    folder = await asyncio.to_thread(node_modules)
    (folder / "client.js").write_text(NODE_PROGRAM)
    async with SlackServer() as server:
        server.channel(GENERAL)
        node = await asyncio.create_subprocess_exec(
            "node",
            "client.js",
            server.url,
            server.bot_token,
            server.app_token,
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert node.stdout is not None

        async def line() -> str:
            assert node.stdout is not None
            return (await asyncio.wait_for(node.stdout.readline(), 60)).decode().strip()

        try:
            assert await line() == "refused invalid_auth"
            assert await line() == f"started {server.world.bot_user}"
            await server.connected()
            root = await server.say(chat=GENERAL, user=ADA, text="hello")
            answer = (await line()).split()
            assert answer[0] == "posted" and answer[3] == "2"
            assert server.messages(GENERAL)[0].reactions == ("eyes",)
            await server.press(chat=GENERAL, ts=answer[1], user=ADA, label="Go")
            assert await line() == "pressed token"
            await server.submit(ADA, {"Why?": "so"})
            assert await line() == "filled in so"
            shown = server.messages(GENERAL, thread=root)
            assert [message.text for message in shown] == ["hello", "done"]
            assert [file.data for file in server.ours(GENERAL)[1].files] == [b"abc"]
            command = await server.command(chat=GENERAL, user=ADA, text="help me")
            assert await line() == "command help me"
            await server.settled()
            assert json.dumps(command.answers) == '[{"text": "heard help me"}]'
        finally:
            if node.returncode is None:
                node.kill()
            _, complaints = await node.communicate()
            # Shown when the test fails.
            print(complaints.decode(), [(seen.operation, seen.status) for seen in server.record])
