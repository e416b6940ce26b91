"""Two clients this project does not use perform whatever the loopback Slack offers.

slack_sdk's blocking clients, and Slack's Node SDK where node is installed; blocking Bolt is told
of everything that a person does.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from slack_bolt import App, BoltRequest
from slack_sdk import WebClient

from tests.wire.slack import SlackServer
from tests.wire.slack_clients import Blocking, Client, Node, node_process
from tests.wire.steps import Steps, performed

Json = dict[str, Any]
ADA, EVE, DM, GENERAL = "U1", "U2", "D1", "C1"
ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "docs" / "slack-manifest.yaml"
ADAPTER = ROOT / "platforms" / "slack"
SPECIFIED = (
    "auth.test apps.connections.open chat.postMessage chat.update chat.delete chat.postEphemeral "
    "conversations.history conversations.replies conversations.info conversations.open users.info "
    "reactions.add reactions.remove files.info files.getUploadURLExternal "
    "files.completeUploadExternal views.open assistant.threads.setStatus "
    "upload download response_url socket"
)
"""What the specification's table of loopback servers names for Slack."""

BUTTON: Json = {
    "type": "button",
    "action_id": "go",
    "value": "token",
    "text": {"type": "plain_text", "text": "Go"},
}
MENU: Json = {
    "type": "static_select",
    "action_id": "more",
    "placeholder": {"type": "plain_text", "text": "More"},
    "options": [{"text": {"type": "plain_text", "text": "Deny"}, "value": "dn"}],
}
BLOCKS: list[Json] = [
    {"type": "section", "text": {"type": "plain_text", "text": "card"}},
    {"type": "actions", "elements": [BUTTON, MENU]},
]
FORM: Json = {
    "type": "modal",
    "callback_id": "form",
    "title": {"type": "plain_text", "text": "Form"},
    "submit": {"type": "plain_text", "text": "OK"},
    "blocks": [
        {
            "type": "input",
            "block_id": "why",
            "label": {"type": "plain_text", "text": "Why?"},
            "element": {"type": "plain_text_input", "action_id": "why"},
        }
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The server with a channel, two people in it, and a client."""

    server: SlackServer
    client: Client

    async def call(self, method: str, *, token: str = "", **given: Any) -> Json:
        """The answer of a call that Slack takes."""
        answer = await self.tried(method, token=token, **given)
        assert answer["ok"], answer
        return answer

    async def tried(self, method: str, *, token: str = "", **given: Any) -> Json:
        """The answer of a call, whatever it is."""
        return await self.client.call(method, token or self.server.bot_token, given)


@asynccontextmanager
async def ground(make: Callable[[str], Client] = Blocking) -> AsyncIterator[Ground]:
    """A workspace with the assistant view; nobody is told of what happens."""
    async with SlackServer(assistant=True, echoes=False) as server:
        server.person(ADA, "ada")
        server.person(EVE, "eve")
        server.channel(GENERAL).members |= {ADA, EVE}
        yield Ground(server=server, client=make(server.url))


step = Steps[Ground]()


# -- who we are


@step("auth.test")
async def _(on: Ground) -> None:
    """Each of several workspaces by its own token; a wrong one is nobody's."""
    async with SlackServer(
        beside=on.server, team="T2", bot_user="U2BOT", bot_token="xoxb-0000000009-TESTtokenOfTwo"
    ) as second:
        us = await on.call("auth.test")
        other = await on.call("auth.test", token=second.bot_token)
        assert (us["team_id"], us["user_id"]) == ("T1", "U0BOT")
        assert (other["team_id"], other["user_id"]) == ("T2", "U2BOT")
        assert (await on.tried("auth.test", token="xoxb-wrong"))["error"] == "invalid_auth"


@step("bots.info", "users.info")
async def _(on: Ground) -> None:
    us = await on.call("auth.test")
    bot = (await on.call("bots.info", bot=us["bot_id"]))["bot"]
    assert (bot["app_id"], bot["user_id"]) == ("A0APP", us["user_id"])
    user = (await on.call("users.info", user=ADA, include_locale=True))["user"]
    assert (user["id"], user["name"], user["is_bot"]) == (ADA, "ada", False)
    assert (await on.tried("users.info", user="U404"))["error"] == "user_not_found"


@step("usergroups.users.list")
async def _(on: Ground) -> None:
    on.server.usergroups.form("S1", ADA, EVE)
    assert (await on.call("usergroups.users.list", usergroup="S1"))["users"] == [ADA, EVE]


@step("apps.connections.open", "socket")
async def _(on: Ground) -> None:
    """The address is good for one socket, on which the client hears hello."""
    answer = await on.call("apps.connections.open", token=on.server.app_token)
    assert answer["url"].startswith("ws://127.0.0.1")
    await on.client.connect(on.server.app_token)
    assert on.server.transport.opened == 1


# -- messages


@step("chat.postMessage", "chat.update", "chat.delete")
async def _(on: Ground) -> None:
    """In a thread, with controls and metadata; the new state is the whole one."""
    root = await on.server.say(chat=GENERAL, user=ADA, text="hello")
    metadata = {"event_type": "gatepost", "event_payload": {"id": "n1"}}
    posted = await on.call(
        "chat.postMessage",
        channel=GENERAL,
        thread_ts=root,
        text="card",
        blocks=BLOCKS,
        metadata=metadata,
        unfurl_links=False,
        unfurl_media=False,
    )
    assert posted["message"]["blocks"][1]["elements"][0]["value"] == "token"
    assert posted["message"]["thread_ts"] == root
    [shown] = on.server.ours(GENERAL)
    assert (shown.labels, shown.thread_ts) == (("Go",), root)
    await on.call("chat.update", channel=GENERAL, ts=posted["ts"], text="done", blocks=[])
    [shown] = on.server.ours(GENERAL)
    assert (shown.text, shown.labels) == ("done", ())
    await on.call("chat.delete", channel=GENERAL, ts=posted["ts"])
    assert on.server.ours(GENERAL) == ()
    gone = await on.tried("chat.update", channel=GENERAL, ts=posted["ts"], text="x")
    assert gone["error"] == "message_not_found"


@step("chat.postEphemeral")
async def _(on: Ground) -> None:
    """One member sees it, nobody else, and nobody who is no member."""
    await on.call("chat.postEphemeral", channel=GENERAL, user=ADA, text="only you see this")
    [private] = on.server.ephemerals
    assert (private.user, private.version.text) == (ADA, "only you see this")
    assert on.server.messages(GENERAL) == ()
    outside = await on.tried("chat.postEphemeral", channel=GENERAL, user="U3", text="x")
    assert outside["error"] == "user_not_in_channel"


@step("response_url")
async def _(on: Ground) -> None:
    """An answer for the presser alone, and a new state of what was pressed; five in all."""
    ts = (await on.call("chat.postMessage", channel=GENERAL, text="card", blocks=BLOCKS))["ts"]
    url = (await on.server.press(chat=GENERAL, ts=ts, user=ADA, label="Go")).payload["response_url"]
    body = {"response_type": "ephemeral", "replace_original": False, "text": "too late"}
    assert await on.client.respond(url, body) == 200
    assert [each.version.text for each in on.server.ephemerals] == ["too late"]
    for _ in range(4):
        assert await on.client.respond(url, {"replace_original": True, "text": "done"}) == 200
    assert on.server.ours(GENERAL)[0].text == "done"
    assert await on.client.respond(url, body) == 404


# -- conversations


@step("conversations.history", "conversations.replies")
async def _(on: Ground) -> None:
    """Newest first and without replies; a thread with its root; page by page, with metadata."""
    root = await on.server.say(chat=GENERAL, user=ADA, text="one")
    await on.server.say(chat=GENERAL, user=EVE, text="reply", thread=root)
    metadata = {"event_type": "gatepost", "event_payload": {"id": "n1"}}
    await on.call("chat.postMessage", channel=GENERAL, text="two", metadata=metadata)
    read = await on.call("conversations.history", channel=GENERAL, include_all_metadata=True)
    assert [each["text"] for each in read["messages"]] == ["two", "one"]
    assert read["messages"][0]["metadata"] == metadata
    assert read["messages"][1]["reply_count"] == 1
    first = await on.call("conversations.history", channel=GENERAL, limit=1)
    cursor = first["response_metadata"]["next_cursor"]
    second = await on.call("conversations.history", channel=GENERAL, limit=1, cursor=cursor)
    assert [first["has_more"], second["has_more"]] == [True, False]
    assert [each["text"] for each in second["messages"]] == ["one"]
    thread = await on.call("conversations.replies", channel=GENERAL, ts=root)
    assert [each["text"] for each in thread["messages"]] == ["one", "reply"]


@step("conversations.info", "conversations.open", "conversations.leave")
async def _(on: Ground) -> None:
    """A direct message is opened, a channel is left and then takes nothing more."""
    found = (await on.call("conversations.info", channel=GENERAL))["channel"]
    assert (found["id"], found["is_channel"], found["is_member"]) == (GENERAL, True, True)
    opened = (await on.call("conversations.open", users=ADA))["channel"]["id"]
    assert opened == DM
    await on.call("chat.postMessage", channel=opened, text="psst")
    assert on.server.ours(DM)[0].text == "psst"
    await on.call("conversations.leave", channel=GENERAL)
    late = await on.tried("chat.postMessage", channel=GENERAL, text="x")
    assert late["error"] == "not_in_channel"


@step("reactions.add", "reactions.remove")
async def _(on: Ground) -> None:
    """On, a second time, and off."""
    ts = await on.server.say(chat=GENERAL, user=ADA, text="hello")
    place = {"channel": GENERAL, "timestamp": ts, "name": "eyes"}
    await on.call("reactions.add", **place)
    assert on.server.messages(GENERAL)[0].reactions == ("eyes",)
    assert (await on.tried("reactions.add", **place))["error"] == "already_reacted"
    await on.call("reactions.remove", **place)
    assert on.server.messages(GENERAL)[0].reactions == ()


# -- files, both ways


@step("files.getUploadURLExternal", "upload", "files.completeUploadExternal")
async def _(on: Ground) -> None:
    """Three calls make one message with a file in a thread."""
    root = await on.server.say(chat=GENERAL, user=ADA, text="hello")
    made = await on.call("files.getUploadURLExternal", filename="a.txt", length=3)
    assert await on.client.put(made["upload_url"], b"abcd") == 400
    assert await on.client.put(made["upload_url"], b"abc") == 200
    done = await on.call(
        "files.completeUploadExternal",
        files=[{"id": made["file_id"], "title": "A"}],
        channel_id=GENERAL,
        thread_ts=root,
        initial_comment="here",
    )
    assert [each["id"] for each in done["files"]] == [made["file_id"]]
    [shown] = on.server.ours(GENERAL)
    assert (shown.text, shown.thread_ts, [file.data for file in shown.files]) == (
        "here",
        root,
        [b"abc"],
    )


@step("files.info", "download", "signin", "files.delete")
async def _(on: Ground) -> None:
    """A person's file is fetched with the token; without it there is a page to sign in."""
    await on.server.share(chat=DM, user=ADA, name="b.txt", data=b"theirs", mime="text/plain")
    [ident] = on.server.world.files
    file = (await on.call("files.info", file=ident))["file"]
    assert (file["name"], file["size"]) == ("b.txt", 6)
    assert await on.client.fetch(file["url_private"], on.server.bot_token) == (200, "theirs")
    status, page = await on.client.fetch(file["url_private"], "xoxb-wrong")
    assert status == 200 and "Sign in" in page
    await on.call("files.delete", file=ident)
    assert (await on.tried("files.info", file=ident))["error"] == "file_not_found"
    assert on.server.messages(DM) == ()


# -- forms and the assistant view


@step("views.open")
async def _(on: Ground) -> None:
    """A trigger opens one form within three seconds; a shortcut is one as well as a press."""
    trigger = (await on.server.shortcut(user=ADA)).payload["trigger_id"]
    opened = (await on.call("views.open", trigger_id=trigger, view=FORM))["view"]
    assert (opened["callback_id"], opened["blocks"][0]["block_id"]) == ("form", "why")
    assert on.server.modal(ADA).labels == ("Why?",)
    again = await on.tried("views.open", trigger_id=trigger, view=FORM)
    assert again["error"] == "exchanged_trigger_id"
    late = (await on.server.shortcut(user=ADA)).payload["trigger_id"]
    await on.server.advance(3)
    expired = await on.tried("views.open", trigger_id=late, view=FORM)
    assert expired["error"] == "expired_trigger_id"


@step(
    "assistant.threads.setStatus",
    "assistant.threads.setSuggestedPrompts",
    "assistant.threads.setTitle",
)
async def _(on: Ground) -> None:
    """A thread of the assistant view gets prompts, a name and a sign of life."""
    channel, root = await on.server.open_assistant(user=ADA)
    place = {"channel_id": channel, "thread_ts": root}
    prompts = [{"title": "Today", "message": "What is on today?"}]
    await on.call("assistant.threads.setSuggestedPrompts", prompts=prompts, **place)
    assert on.server.world.prompts[channel, root] == {"Today": "What is on today?"}
    await on.call("assistant.threads.setTitle", title="Plans", **place)
    assert on.server.world.titles[channel, root] == "Plans"
    await on.call("assistant.threads.setStatus", status="is thinking", **place)
    assert on.server.status(channel, root) == "is thinking"
    await on.call("assistant.threads.setStatus", status="", **place)
    assert on.server.status(channel, root) == ""
    five = await on.tried("assistant.threads.setSuggestedPrompts", prompts=prompts * 5, **place)
    assert five["error"] == "invalid_arguments"


@pytest.mark.parametrize("operations", step.together(SlackServer().offered), ids=" ".join)
async def test_the_blocking_client_performs_each_operation(operations: tuple[str, ...]) -> None:
    """Whatever the server offers is performed by slack_sdk's blocking client and read back."""
    async with ground() as on:
        await step.by_operation[operations[0]](on)
        assert set(operations) <= performed(on.server)


@pytest.mark.slow
async def test_slacks_node_sdk_performs_all_operations() -> None:
    """The same through Slack's Node SDK, which takes its time to start."""
    node = await node_process()
    try:
        for operations in step.together(SlackServer().offered):
            async with ground(lambda url: Node(node, url)) as on:
                await step.by_operation[operations[0]](on)
                assert set(operations) <= performed(on.server)
    finally:
        if node.stdin is not None:
            node.stdin.close()
        await node.wait()


def test_steps_are_those_of_the_server() -> None:
    """A new operation needs a step, no step stands for one that is gone, all specified exist."""
    offered = SlackServer().offered
    assert (step.undone(offered), step.unmade(offered)) == (set(), set())
    assert set(SPECIFIED.split()) <= offered


def test_the_adapter_calls_nothing_else() -> None:
    """Every method that the adapter names is one that the server offers."""
    text = "".join(path.read_text() for path in ADAPTER.glob("*.py"))
    families = "api|apps|assistant|auth|bots|chat|conversations|files|reactions|usergroups|users"
    called = set(re.findall(rf'"((?:{families}|views)\.[a-zA-Z.]+)"', text)) - {"files.slack.com"}
    assert {"chat.postMessage", "views.open"} <= called
    assert {each for each in called if not each.endswith(".com")} <= SlackServer().offered


# -- the way in: signed requests to blocking Bolt


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A server that pushes to an app of blocking Bolt, and what that heard."""

    server: SlackServer
    app: App
    heard: list[Json]
    statuses: list[int]


@asynccontextmanager
async def listening() -> AsyncIterator[Listening]:
    """Bolt checks each signature and answers before it lets go of a request."""
    async with SlackServer(assistant=True, echoes=False) as server:
        client = WebClient(token=server.bot_token, base_url=f"{server.url}/api/", proxy=None)
        app = App(
            signing_secret=server.signing_secret,
            client=client,
            process_before_response=True,
            token_verification_enabled=False,
        )
        statuses: list[int] = []

        async def take(request: web.Request) -> web.Response:
            headers: dict[str, str | Sequence[str]] = dict(request.headers)
            bolt = BoltRequest(body=(await request.read()).decode(), headers=headers)
            answer = await asyncio.to_thread(app.dispatch, bolt)
            statuses.append(answer.status)
            content = answer.first_headers_without_set_cookie()
            return web.Response(status=answer.status, text=answer.body, headers=content)

        receiver = web.Application()
        receiver.router.add_post("/slack/events", take)
        runner = web.AppRunner(receiver)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            server.person(ADA, "ada")
            server.channel(GENERAL)
            server.push_to(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
            yield Listening(server=server, app=app, heard=[], statuses=statuses)
        finally:
            await runner.cleanup()


def subscribed() -> list[str]:
    """The events that the manifest asks for."""
    text = MANIFEST.read_text()
    block = text[text.index("bot_events:") : text.index("interactivity:")]
    return re.findall(r"^ +- ([a-z_.]+)$", block, re.MULTILINE)


async def _cause(kind: str, server: SlackServer) -> None:
    """What makes Slack send an event of this kind."""
    match kind:
        case "message.channels" | "app_mention":
            await server.say(chat=GENERAL, user=ADA, text="@gatepost hello")
        case "message.groups":
            server.channel("C7", private=True)
            await server.say(chat="C7", user=ADA, text="hello")
        case "message.mpim":
            await server.say(chat="G1", user=ADA, text="hello")
        case "message.im":
            ts = await server.say(chat=DM, user=ADA, text="hello")
            await server.rewrite(chat=DM, ts=ts, text="hello you")
            await server.remove(chat=DM, ts=ts)
        case "reaction_added" | "reaction_removed":
            ts = await server.say(chat=GENERAL, user=ADA, text="hello")
            await server.react(chat=GENERAL, ts=ts, user=ADA, name="+1")
            await server.react(chat=GENERAL, ts=ts, user=ADA, name="+1", on=False)
        case "assistant_thread_started":
            await server.open_assistant(user=ADA, viewed=GENERAL)
        case "assistant_thread_context_changed":
            channel, root = await server.open_assistant(user=ADA)
            place = {"user_id": ADA, "context": {}, "channel_id": channel, "thread_ts": root}
            server.send_event({"type": kind, "assistant_thread": place, "event_ts": root})
        case "app_uninstalled":
            server.send_event({"type": kind})
        case "tokens_revoked":
            server.send_event({"type": kind, "tokens": {"oauth": [], "bot": ["U0BOT"]}})
        case _:
            await server.happen(kind, chat=GENERAL, user=ADA)


@pytest.mark.parametrize("kind", subscribed())
async def test_blocking_bolt_hears_each_event_of_the_manifest(kind: str) -> None:
    """What the manifest subscribes to comes signed and in the shape that Bolt dispatches on."""
    async with listening() as on:
        name, _, place = kind.partition(".")

        @on.app.event({"type": name, "subtype": [re.compile(".*")]})
        def with_subtype(event: Json) -> None:
            on.heard.append(event)

        @on.app.event(name)
        def listener(event: Json) -> None:
            on.heard.append(event)

        @on.app.event(re.compile(".*"))
        def other() -> None:
            pass

        await _cause(kind, on.server)
        await on.server.settled()
        heard = [event for event in on.heard if event["type"] == name]
        assert heard and set(on.statuses) == {200}
        places = {"channels": "channel", "groups": "group", "im": "im", "mpim": "mpim"}
        if place:
            assert {event["channel_type"] for event in heard} == {places[place]}


async def test_blocking_bolt_answers_presses_choices_forms_shortcuts_and_commands() -> None:
    """Each has its own listener; an answer to a form or a command is what the person sees."""
    async with listening() as on:
        app, server, heard = on.app, on.server, on.heard

        @app.action("go")
        def pressed(ack: Any, body: Json, client: WebClient, respond: Any) -> None:
            ack()
            heard.append(body["actions"][0])
            client.views_open(trigger_id=body["trigger_id"], view=FORM)
            respond("only you see this", replace_original=False)

        @app.action("more")
        def chosen(ack: Any, body: Json) -> None:
            ack()
            heard.append(body["actions"][0]["selected_option"])

        @app.view("form")
        def sent(ack: Any, view: Json) -> None:
            words = view["state"]["values"]["why"]["why"]["value"]
            heard.append({"words": words})
            if words == "no":
                ack(response_action="errors", errors={"why": "say more"})
            else:
                ack(response_action="clear")

        @app.shortcut("ask")
        @app.shortcut("ask_about")
        def shortcut(ack: Any, shortcut: Json) -> None:
            ack()
            heard.append(shortcut)

        @app.command("/gatepost")
        def command(ack: Any, command: Json) -> None:
            heard.append(command)
            ack(f"heard {command['text']}")

        client = WebClient(token=server.bot_token, base_url=f"{server.url}/api/", proxy=None)
        posted = await asyncio.to_thread(
            lambda: client.chat_postMessage(channel=GENERAL, text="card", blocks=BLOCKS)
        )
        ts = posted["ts"]
        await server.press(chat=GENERAL, ts=ts, user=ADA, label="Go")
        await server.settled()
        assert [each.version.text for each in server.ephemerals] == ["only you see this"]
        await server.submit(ADA, {"Why?": "no"})
        await server.settled()
        assert server.modal(ADA).errors == {"why": "say more"}
        await server.submit(ADA, {"Why?": "because"})
        await server.settled()
        assert server.interactions.modals[0].closed
        await server.choose(chat=GENERAL, ts=ts, user=ADA, option="Deny")
        await server.shortcut(user=ADA)
        await server.shortcut(user=ADA, callback_id="ask_about", chat=GENERAL, ts=ts)
        used = await server.command(chat=GENERAL, user=ADA, text="help me")
        await server.settled()
        assert used.answers == ["heard help me"]
    kinds = [each.get("value") or each.get("words") or each.get("type") for each in heard]
    assert sorted(str(each) for each in kinds) == sorted(
        ["token", "no", "because", "dn", "shortcut", "message_action", "None"]
    )
    assert heard[-1]["command"] == "/gatepost" or any("command" in each for each in heard)


async def test_a_refused_event_comes_again_with_its_number() -> None:
    """Bolt answers 404 to what it does not listen to; it comes once more, at once."""
    async with listening() as on:
        await on.server.say(chat=DM, user=ADA, text="hello")
        await on.server.seen(lambda _: len(on.server.requests("ack")) == 2)
        assert on.statuses == [404, 404]
        assert [each.attempt for each in on.server.deliveries] == [2]
