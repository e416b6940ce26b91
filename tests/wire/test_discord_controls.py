"""The loopback Discord keeps the rules of menus, forms, first answers and members."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.wire.discord import APPLICATION_ID, TOKEN, DiscordServer, Interaction

Json = dict[str, Any]


class Api:
    """Bare requests, as no SDK would send some of them."""

    def __init__(self, server: DiscordServer, http: aiohttp.ClientSession) -> None:
        self.server = server
        self._http = http

    async def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bot {TOKEN}"}
        url = self.server.api_url + path
        async with self._http.request(method, url, json=body, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def card(self, *rows: Json) -> tuple[int, Any]:
        """Posts a message with these rows."""
        body = {"content": "card", "components": list(rows)}
        return await self("POST", f"/channels/{self.server.general.id}/messages", body)

    async def answer(self, interaction: Interaction, kind: int, data: Any = None) -> Any:
        """Code of the refusal of a first answer, None if it was taken."""
        path = f"/interactions/{interaction.id}/{interaction.token}/callback"
        body = {"type": kind} if data is None else {"type": kind, "data": data}
        _, said = await self("POST", path, body)
        return said and said["code"]


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as running:
        yield running


@pytest.fixture
async def api(server: DiscordServer) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as http:
        yield Api(server, http)


def row(*parts: Json) -> Json:
    return {"type": 1, "components": list(parts)}


def button(custom_id: str = "x") -> Json:
    return {"type": 2, "style": 1, "label": "ok", "custom_id": custom_id}


def option(value: str = "a", **more: str) -> Json:
    return {"label": value[:100], "value": value, **more}


def menu(*options: Json, **more: str) -> Json:
    return {"type": 3, "custom_id": "m", "options": list(options), **more}


def label(custom_id: str = "reason", words: str = "Why?", **more: Any) -> Json:
    field = {"type": 4, "style": 2, "custom_id": custom_id, **more}
    return {"type": 18, "label": words, "component": field}


def modal(*fields: Json, title: str = "Deny", custom_id: str = "form") -> Json:
    return {"title": title, "custom_id": custom_id, "components": list(fields)}


TWO = [option("a"), option("b")]


@pytest.mark.parametrize(
    "rows",
    [
        [row(menu(*TWO), button())],
        [row(menu(*TWO), menu(*TWO))],
        [row(menu())],
        [row(menu(*(option(str(number)) for number in range(26))))],
        [row(menu(option("a"), option("a")))],
        [row(menu(option("v" * 101)))],
        [row(menu({"label": "l" * 101, "value": "a"}))],
        [row(menu({"label": "", "value": "a"}))],
        [row(menu(option("a", description="d" * 101)))],
        [row(menu(*TWO, placeholder="p" * 151))],
        [row({**menu(*TWO), "custom_id": "c" * 101})],
        [row(menu(*TWO)), row(button("m"))],
        [row({"type": 4, "custom_id": "t", "style": 1})],
        [row(button(str(number))) for number in range(6)],
    ],
    ids=[
        "beside a button",
        "two in a row",
        "no option",
        "26 options",
        "a value twice",
        "a long value",
        "a long label",
        "no label",
        "a long description",
        "a long placeholder",
        "a long custom_id",
        "a custom_id twice",
        "a text input",
        "six rows",
    ],
)
async def test_controls_that_are_refused(api: Api, rows: list[Json]) -> None:
    """Each documented limit gives a form error and no message."""
    status, said = await api.card(*rows)
    assert (status, said["code"]) == (400, 50035)
    assert api.server.messages(api.server.general) == []


async def test_everything_a_message_holds(api: Api) -> None:
    """Four rows of five buttons and a menu of 25 stand; what is not there can't be chosen."""
    rows = [row(*(button(f"{line}{place}") for place in range(5))) for line in range(4)]
    options = [option(f"v{number}") for number in range(25)]
    status, _ = await api.card(*rows, row(menu(*options, placeholder="p" * 150)))
    assert status == 200
    [card] = api.server.messages(api.server.general)
    assert card.menus == {"m": {f"v{number}": f"v{number}" for number in range(25)}}
    chosen = await api.server.choose(card, api.server.ada, "v7")
    assert chosen.data["values"] == ["v7"]
    with pytest.raises(AssertionError, match="no such option"):
        await api.server.choose(card, api.server.ada, "v25")


@pytest.mark.parametrize(
    "form",
    [
        modal(label(), title=""),
        modal(label(), title="t" * 46),
        modal(label(), custom_id="c" * 101),
        modal(),
        modal(*(label(str(number)) for number in range(6))),
        modal(label(), label()),
        modal(label(words="w" * 46)),
        modal(label(words="")),
        modal(label("c" * 101)),
        modal(label(value="v" * 4_001)),
        modal(label(max_length=4_001)),
        modal(label(max_length=0)),
        modal(label(min_length=4_001)),
        modal(label(placeholder="p" * 101)),
        modal(label(style=3)),
        modal({"type": 18, "label": "Why?", "component": button()}),
        modal(row(label()["component"])),
        modal(
            row({**label()["component"], "label": "a"}, {**label("b")["component"], "label": "b"})
        ),
        modal(row(button())),
        modal({"type": 10, "content": "words"}),
    ],
    ids=[
        "no title",
        "a long title",
        "a long custom_id",
        "no field",
        "six fields",
        "a field twice",
        "a long label",
        "no label",
        "a long name",
        "a long text",
        "room over the limit",
        "no room",
        "a minimum over the limit",
        "a long placeholder",
        "a style unheard of",
        "a button in a label",
        "a row without words",
        "two in a row",
        "a button in a row",
        "something else",
    ],
)
async def test_forms_that_are_refused(api: Api, form: Json) -> None:
    """Each documented limit gives a form error, and the press still has no first answer."""
    await api.card(row(button()))
    [card] = api.server.messages(api.server.general)
    press = await api.server.press(card, api.server.ada, "x")
    assert await api.answer(press, 9, form) == 50035
    assert (press.answer, press.modal) == (None, None)
    assert await api.answer(press, 9, modal(label())) is None


async def test_a_form_is_filled_in(api: Api) -> None:
    """It comes back in the shape it was sent in, once, with what stood in fields left alone."""
    await api.card(row(button()))
    server = api.server
    [card] = server.messages(server.general)
    press = await server.press(card, server.ada, "x")
    old = {**label("amount", value="5", style=1)["component"], "label": "How much?"}
    assert await api.answer(press, 9, modal(label(max_length=10), row(old))) is None
    assert await server.form_of(press) == press.modal
    assert server.open_forms(server.ada) == [press]
    sent = await server.fill(press, {"reason": "too dear"})
    assert (sent.kind, sent.message, sent.user) == (5, card, server.ada)
    assert sent.data == {
        "custom_id": "form",
        "components": [
            {
                "type": 18,
                "id": 1,
                "component": {"type": 4, "id": 2, "custom_id": "reason", "value": "too dear"},
            },
            {
                "type": 1,
                "id": 3,
                "components": [{"type": 4, "id": 4, "custom_id": "amount", "value": "5"}],
            },
        ],
    }
    with pytest.raises(AssertionError, match="no form is open"):
        await server.fill(press, {"reason": "again"})


@pytest.mark.parametrize(
    ("field", "values"),
    [
        (label(), {}),
        (label(max_length=3), {"reason": "four"}),
        (label(min_length=3), {"reason": "no"}),
        (label(style=1), {"reason": "two\nlines"}),
        (label(), {"another": "x"}),
    ],
    ids=["required", "too long", "too short", "two lines in one", "no such field"],
)
async def test_what_the_client_does_not_send(api: Api, field: Json, values: dict[str, str]) -> None:
    """Discord's own client keeps such a form open; a closed one tells nobody."""
    await api.card(row(button()))
    server = api.server
    [card] = server.messages(server.general)
    press = await server.press(card, server.ada, "x")
    await api.answer(press, 9, modal(field))
    with pytest.raises(AssertionError):
        await server.fill(press, values)
    assert server.open_forms() == [press]
    server.dismiss(press)
    assert (server.open_forms(), server.interactions.all) == ([], [press])


async def test_one_first_answer_of_the_right_kind() -> None:
    """No form behind another answer, late, or to a form; a form that was sent is answered too."""
    clock = [1_700_000_000.0]
    async with DiscordServer(now=lambda: clock[0]) as server, aiohttp.ClientSession() as http:
        api = Api(server, http)
        await api.card(row(button()))
        [card] = server.messages(server.general)
        press = await server.press(card, server.ada, "x")
        assert await api.answer(press, 6) is None
        assert await api.answer(press, 9, modal(label())) == 40060
        late = await server.press(card, server.ada, "x")
        clock[0] += 3.1
        assert await api.answer(late, 9, modal(label())) == 10062
        opening = await server.press(card, server.ada, "x")
        assert await api.answer(opening, 9, modal(label())) is None
        assert await api.answer(opening, 4, {"content": "x"}) == 40060
        clock[0] += 600.0
        sent = await server.fill(opening, {"reason": "because"})
        assert await api.answer(sent, 9, modal(label())) == 50035
        assert await api.answer(sent, 6) is None
        words = {"content": "noted", "flags": 64}
        path = f"/webhooks/{APPLICATION_ID}/{sent.token}"
        assert (await api("POST", path, words))[0] == 200
        [_, private] = server.messages(server.general, viewer=server.ada)
        assert private.private_to is server.ada


async def test_who_is_a_member(api: Api) -> None:
    """Roles of a member; strangers, unknown people and other guilds have codes of their own."""
    server = api.server
    crew = server.world.add_role(server.guild, "crew")
    ann = server.add_person("ann", roles=[crew])
    eve = server.add_person("eve", member=False)
    place = f"/guilds/{server.guild.id}/members"
    status, found = await api("GET", f"{place}/{ann.id}")
    assert (status, found["user"]["id"], found["roles"]) == (200, str(ann.id), [str(crew.id)])
    assert (await api("GET", f"{place}/{eve.id}"))[1]["code"] == 10007
    assert (await api("GET", f"{place}/7"))[1]["code"] == 10013
    assert (await api("GET", f"/guilds/7/members/{ann.id}"))[1]["code"] == 10004
    del server.guild.members[server.bot.id]
    assert (await api("GET", f"{place}/{ann.id}"))[1]["code"] == 50001


async def test_the_page_shows_menus_and_forms(api: Api) -> None:
    """What a person needs to choose and to fill in; another person's form is not shown."""
    server = api.server
    await api.card(row(button()), row(menu(option("a"), placeholder="More")))
    bob = server.add_person("bob")
    async with aiohttp.ClientSession() as http:

        async def state(user: int) -> Json:
            query = {"chat": str(server.general.id), "user": str(user)}
            async with http.get(server.url + "/console/state", params=query) as answer:
                return await answer.json()  # type: ignore[no-any-return]

        async def act(name: str, **body: Any) -> int:
            data = json.dumps(body)
            async with http.post(f"{server.url}/console/{name}", data=data) as answer:
                return answer.status

        [card] = (await state(server.ada.id))["messages"]
        assert card["rows"] == [
            [{"label": "ok", "custom_id": "x", "style": "primary"}],
            [{"label": "More", "options": [{"label": "a", "value": "a"}]}],
        ]
        who = str(server.ada.id)
        assert await act("choose", message=card["id"], user=who, value="a") == 204
        press = server.interactions.all[0]
        await api.answer(press, 9, modal(label(value="so", max_length=20)))
        [form] = (await state(server.ada.id))["forms"]
        assert form["title"] == "Deny"
        [field] = form["fields"]
        assert (field["name"], field["label"], field["text"]) == ("reason", "Why?", "so")
        assert (await state(bob.id))["forms"] == []
        values = {"reason": "two\r\nlines"}
        assert await act("fill", interaction=form["id"], values=values) == 204
        assert await act("fill", interaction=form["id"], values=values) == 400
        assert await act("dismiss", interaction=form["id"]) == 400
        sent = server.interactions.all[1].data["components"][0]["component"]
        assert sent["value"] == "two\nlines"
