"""The loopback Slack keeps the documented rules of controls, modals and user groups."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.wire.slack import SlackServer
from tests.wire.slack.checks import Refusal
from tests.wire.slack.interactions import REGRET, TRIGGER_LIFE_S
from tests.wire.slack.rules import check_blocks
from tests.wire.slack.views import check_view
from tests.wire.test_slack_server import ADA, GENERAL, Client

Json = dict[str, Any]


def plain(text: str) -> Json:
    """A text object."""
    return {"type": "plain_text", "text": text}


def button(**more: Any) -> Json:
    """A button."""
    return {"type": "button", "text": plain("Go"), "value": "v", **more}


def options(count: int, *, value: str = "v") -> list[Json]:
    """Choices of a menu."""
    return [
        {"text": plain(f"choice {number}"), "value": f"{value}{number}"} for number in range(count)
    ]


def confirm(**more: Any) -> Json:
    """A question before a press."""
    words = {"title": "t", "text": "q", "confirm": "Yes", "deny": "No"}
    return {name: plain(text) for name, text in words.items()} | more


def field(**more: Any) -> Json:
    """An input of a modal."""
    element = {"type": "plain_text_input", "action_id": "why", **more.pop("element", {})}
    return {"type": "input", "block_id": "why", "label": plain("Why?"), "element": element, **more}


def modal(*blocks: Json, **more: Any) -> Json:
    """A modal with one field, or these blocks."""
    view = {"type": "modal", "title": plain("T"), "submit": plain("OK"), "callback_id": "form"}
    return {**view, "blocks": list(blocks) or [field()], **more}


@pytest.mark.parametrize(
    "element",
    [
        button(text=plain("x" * 75), value="x" * 2_000, action_id="x" * 255),
        button(style="danger", confirm=confirm(style="danger")),
        button(confirm=confirm(title=plain("x" * 100), text=plain("x" * 300))),
        button(confirm=confirm(confirm=plain("x" * 30), deny=plain("x" * 30))),
        {"type": "overflow", "options": options(2)},
        {"type": "overflow", "options": options(5), "confirm": confirm()},
        {"type": "static_select", "options": options(100), "placeholder": plain("x" * 150)},
        {"type": "static_select", "options": options(1, value="x" * 149)},
    ],
)
def test_controls_at_their_limits_are_taken(element: Json) -> None:
    """What the documentation allows goes through unchanged."""
    blocks = [{"type": "actions", "elements": [element]}]
    assert check_blocks(blocks) == blocks


@pytest.mark.parametrize(
    ("element", "detail"),
    [
        (button(text=plain("x" * 76)), "less than 76"),
        (button(value="x" * 2_001), "less than 2001"),
        (button(action_id="x" * 256), "less than 256"),
        (button(style="loud"), "one of primary, danger"),
        (button(confirm={}), "must provide an object"),
        (button(confirm=confirm(title=plain("x" * 101))), "less than 101"),
        (button(confirm=confirm(text=plain("x" * 301))), "less than 301"),
        (button(confirm=confirm(confirm=plain("x" * 31))), "less than 31"),
        (button(confirm=confirm(deny=plain("x" * 31))), "less than 31"),
        (button(confirm=confirm(style="loud")), "one of primary, danger"),
        ({"type": "overflow", "options": options(6)}, "no more than 5"),
        ({"type": "overflow", "options": options(1)}, "at least 2"),
        ({"type": "overflow", "options": options(2), "placeholder": plain("x")}, "additional"),
        ({"type": "static_select", "options": options(101)}, "no more than 100"),
        ({"type": "static_select", "options": []}, "missing element"),
        ({"type": "static_select", "options": options(1, value="x" * 150)}, "less than 151"),
        (
            {"type": "static_select", "options": options(1), "placeholder": plain("x" * 151)},
            "less than 151",
        ),
        ({"type": "datepicker"}, "unsupported type"),
    ],
)
def test_controls_over_their_limits_are_refused(element: Json, detail: str) -> None:
    """One over is refused in words."""
    with pytest.raises(Refusal) as raised:
        check_blocks([{"type": "actions", "elements": [element]}])
    assert raised.value.error == "invalid_blocks"
    assert detail in raised.value.errors[0]


def test_a_block_holds_so_many_controls() -> None:
    """Twenty-five, each with an id of its own."""
    many = [button(action_id=str(number)) for number in range(26)]
    check_blocks([{"type": "actions", "elements": many[:25]}])
    for wrong in (many, [button(action_id="a"), button(action_id="a")]):
        with pytest.raises(Refusal):
            check_blocks([{"type": "actions", "elements": wrong}])


LONGEST = modal(
    field(
        label=plain("x" * 2_000),
        element={"max_length": 3_000, "initial_value": "x" * 3_000, "multiline": True},
    ),
    *([{"type": "divider"}] * 99),
    title=plain("x" * 24),
    submit=plain("x" * 24),
    close=plain("x" * 24),
    callback_id="x" * 255,
    private_metadata="x" * 3_000,
)


def test_a_modal_at_its_limits_is_taken() -> None:
    """What the documentation allows goes through, as an object or as its JSON."""
    assert check_view(LONGEST) == LONGEST == check_view(json.dumps(LONGEST))


@pytest.mark.parametrize(
    ("view", "detail"),
    [
        (LONGEST | {"title": plain("x" * 25)}, "less than 25"),
        (LONGEST | {"submit": plain("x" * 25)}, "less than 25"),
        (LONGEST | {"close": plain("x" * 25)}, "less than 25"),
        (LONGEST | {"callback_id": "x" * 256}, "less than 256"),
        (LONGEST | {"private_metadata": "x" * 3_001}, "less than 3001"),
        (modal(*([{"type": "divider"}] * 101)), "no more than 100"),
        (modal(field(label=plain("x" * 2_001))), "less than 2001"),
        (modal(field(element={"max_length": 3_001})), "between 1 and 3000"),
        (modal(field(element={"max_length": 2, "initial_value": "abc"})), "less than 3"),
        (modal(field(element={"initial_value": ""})), "more than 0"),
        (modal(field(element={"initial_value": "x" * 3_001})), "less than 3001"),
        (modal(field(element={"type": "rich_text_input"})), "unsupported type"),
        (modal(field(), field()), "already exists"),
        ({"type": "modal", "title": plain("T"), "blocks": [field()]}, "submit"),
        (modal(type="home"), "unsupported type"),
        (modal(colour="red"), "additional"),
        (modal(title=plain("")), "more than 0"),
    ],
)
def test_a_modal_over_a_limit_is_refused(view: Json, detail: str) -> None:
    """One over is refused in words."""
    with pytest.raises(Refusal) as raised:
        check_view(view)
    assert raised.value.error == "invalid_arguments"
    assert detail in raised.value.errors[0]


def test_a_modal_has_a_size() -> None:
    """A quarter of a megabyte, whatever is in it."""
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_000}}
    with pytest.raises(Refusal, match="view_too_large"):
        check_view(modal(*([section] * 100)))


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    """A server with a channel and nobody connected."""
    async with SlackServer(echoes=False) as server:
        server.channel(GENERAL)
        yield server


@pytest.fixture
async def client(server: SlackServer) -> AsyncIterator[Client]:
    """A client of it."""
    async with aiohttp.ClientSession() as session:
        yield Client(server, session)


async def pressed(server: SlackServer, client: Client) -> str:
    """The trigger of a press."""
    blocks = [{"type": "actions", "elements": [button()]}]
    ts = (await client.call("chat.postMessage", channel=GENERAL, text="x", blocks=blocks))["ts"]
    delivery = await server.press(chat=GENERAL, ts=ts, user=ADA, label="Go")
    return str(delivery.payload["trigger_id"])


async def test_a_trigger_opens_one_modal_within_its_life(
    server: SlackServer, client: Client
) -> None:
    """Unknown, refused, used and late ones have their own words."""
    assert (
        await client.error("views.open", trigger_id="1.2.3", view=modal()) == "invalid_trigger_id"
    )
    trigger = await pressed(server, client)
    await server.advance(TRIGGER_LIFE_S - 0.5)
    assert await client.error("views.open", trigger_id=trigger, view={}) == "invalid_arguments"
    opened = await client.call("views.open", trigger_id=trigger, view=modal())
    assert opened["view"]["callback_id"] == "form"
    assert server.modal(ADA).title == "T"
    again = await client.error("views.open", trigger_id=trigger, view=modal())
    late = await pressed(server, client)
    await server.advance(TRIGGER_LIFE_S)
    too_late = await client.error("views.open", trigger_id=late, view=modal())
    assert (again, too_late) == ("exchanged_trigger_id", "expired_trigger_id")


class Webhook:
    """An app that answers every request in the same way."""

    def __init__(self) -> None:
        self.status, self.answer = 200, ""

    async def handle(self, _: web.Request) -> web.Response:
        """One request."""
        return web.Response(status=self.status, text=self.answer)


@pytest.fixture
async def app(server: SlackServer) -> AsyncIterator[Webhook]:
    """An app that takes signed requests."""
    app, site = Webhook(), web.Application()
    site.router.add_post("/", app.handle)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.push_to(f"http://127.0.0.1:{runner.addresses[0][1]}/")
    yield app
    await runner.cleanup()


async def test_a_form_stands_until_it_is_taken(
    server: SlackServer, client: Client, app: Webhook
) -> None:
    """Without a 200 there is a regret and the words stay; errors are shown; a clear closes it."""
    view = modal(field(element={"max_length": 10, "initial_value": "because"}))
    await client.call("views.open", trigger_id=await pressed(server, client), view=view)
    app.status = 503
    lost = await server.submit(ADA, {})
    await server.settled()
    assert (lost.state, server.modal(ADA).warning) == ("lost", REGRET)
    app.status, app.answer = 200, '{"response_action": "errors", "errors": {"why": "no"}}'
    again = await server.submit(ADA, {"Why?": "I can"})
    await server.settled()
    assert server.modal(ADA).errors == {"why": "no"}
    keys = [(each.payload["view"]["id"], each.payload["view"]["hash"]) for each in (lost, again)]
    assert keys[0] == keys[1]
    app.answer = '{"response_action": "clear"}'
    sent = await server.submit(ADA, {})
    await server.settled()
    with pytest.raises(AssertionError, match="nothing stands"):
        server.modal(ADA)
    value = sent.payload["view"]["state"]["values"]["why"]["why"]["value"]
    assert (value, "channel" in sent.payload) == ("I can", False)


async def test_what_a_person_cannot_send(server: SlackServer, client: Client, app: Webhook) -> None:
    """Slack's own client holds back what is empty or too long; a closed form sends nothing."""
    view = modal(field(element={"max_length": 10}))
    await client.call("views.open", trigger_id=await pressed(server, client), view=view)
    for value, why in (("", "required"), ("x" * 11, "too long"), ("a\nb", "one line")):
        with pytest.raises(AssertionError, match=why):
            await server.submit(ADA, {"why": value})
    count = len(server.deliveries)
    await server.cancel(ADA)
    assert len(server.deliveries) == count
    await server.settled()


async def test_a_question_comes_before_the_press(
    server: SlackServer, client: Client, app: Webhook
) -> None:
    """Who says no has done nothing; who says yes has pressed, or chosen."""
    menu = {"type": "overflow", "options": options(2), "action_id": "m", "confirm": confirm()}
    elements = [button(confirm=confirm(text=plain("Really?"))), menu]
    blocks = [{"type": "actions", "elements": elements}]
    ts = (await client.call("chat.postMessage", channel=GENERAL, text="x", blocks=blocks))["ts"]
    (shown,) = server.ours(GENERAL)
    assert shown.questions == {"Go": "Really?", "…": "q"}
    assert shown.choices == ("choice 0", "choice 1")
    assert await server.decline(chat=GENERAL, ts=ts, label="Go") == "Really?"
    assert server.deliveries == []
    await server.press(chat=GENERAL, ts=ts, user=ADA, label="Go")
    chosen = await server.choose(chat=GENERAL, ts=ts, user=ADA, option="choice 1")
    (action,) = chosen.payload["actions"]
    assert (action["type"], action["selected_option"]["value"]) == ("overflow", "v1")
    await server.settled()


async def test_user_groups(server: SlackServer, client: Client) -> None:
    """Their members, if the app may read them and the plan has any."""
    server.usergroups.form("S1", "U1", "U2")
    server.usergroups.form("S2", "U1", disabled=True)
    assert (await client.call("usergroups.users.list", usergroup="S1"))["users"] == ["U1", "U2"]
    assert await client.error("usergroups.users.list", usergroup="S2") == "no_such_subteam"
    hidden = await client.call("usergroups.users.list", usergroup="S2", include_disabled=True)
    assert hidden["users"] == ["U1"]
    server.usergroups.available = False
    assert await client.error("usergroups.users.list", usergroup="S1") == "plan_upgrade_required"
    server.methods.scopes.discard("usergroups:read")
    assert await client.error("usergroups.users.list", usergroup="S1") == "missing_scope"


async def test_the_page_shows_forms_and_takes_them(
    server: SlackServer, client: Client, app: Webhook
) -> None:
    """A person can press, fill in and send by hand."""
    menu = {"type": "static_select", "options": options(1), "action_id": "m"}
    blocks = [{"type": "actions", "elements": [button(confirm=confirm()), menu]}]
    ts = (await client.call("chat.postMessage", channel=GENERAL, text="x", blocks=blocks))["ts"]

    async def does(action: str, **fields: str) -> Json:
        form = {"chat": GENERAL, "user": ADA, **fields}
        url = f"{server.url}/page/{action}"
        async with client.session.post(url, data=form) as response:
            assert response.status == 200
        await server.settled()
        async with client.session.get(f"{server.url}/page/state") as response:
            state: Json = await response.json()
            return state

    state = await does("choose", ts=ts, value="v0")
    channel = next(each for each in state["channels"] if each["id"] == GENERAL)
    first, second = channel["messages"][0]["controls"]
    assert (first["label"], first["confirm"]["text"]["text"]) == ("Go", "q")
    assert second["options"] == [{"label": "choice 0", "value": "v0"}]
    await does("press", ts=ts, value="v")
    trigger = server.deliveries[-1].payload["trigger_id"]
    await client.call("views.open", trigger_id=trigger, view=modal())
    (shown,) = (await does("say"))["modals"]
    assert [each["label"] for each in shown["fields"]] == ["Why?"]
    state = await does("submit", **{"field:why": "so"})
    assert state["modals"] == []
    sent = server.deliveries[-1].payload["view"]["state"]["values"]
    assert sent["why"]["why"]["value"] == "so"
