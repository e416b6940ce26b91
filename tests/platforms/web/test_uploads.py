"""Files go with a message of the page, with and without script, within bounds."""

import re
from io import BytesIO
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from platforms.events import MessageReceived
from platforms.web.limits import UPLOAD_FILE_MAX
from platforms.web.parse import shown_text
from tests.platforms.web.stand_in import Running, StandInGateway, running_page

# The client library's own reader of parts calls it.
pytestmark = pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")

PICTURE = b"\x89PNG\r\n\x1a\n picture"


async def form_of(page: Running) -> tuple[str, dict[str, str]]:
    """Where the composer of a fresh page sends to, and its hidden fields."""
    async with page.client.get("/") as response:
        html = await response.text()
    composer = html[html.index('id="composer"') :]
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', composer)[:2])
    found = re.search(r'action="(/chat/[0-9a-f-]+/messages)"', html)
    assert found is not None
    assert 'enctype="multipart/form-data"' in html
    return found[1], hidden


def parts(fields: dict[str, str], *files: tuple[str, bytes, str]) -> aiohttp.FormData:
    """A form as a browser sends it; without a file its field is there and empty."""
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        form.add_field(name, value)
    for name, data, mime in files or (("", b"", "application/octet-stream"),):
        form.add_field("files", BytesIO(data), filename=name, content_type=mime)
    return form


async def sent(page: Running, form: aiohttp.FormData, action: str) -> tuple[int, str]:
    """The answer to a form, redirects left alone."""
    async with page.client.post(action, data=form, allow_redirects=False) as response:
        return response.status, await response.text()


def events(gateway: StandInGateway) -> list[Any]:
    """What was delivered."""
    return [
        event
        for delivery in gateway.deliveries
        if isinstance(delivery.events, tuple)
        for event in delivery.events
    ]


async def test_files_go_with_words_and_without() -> None:
    """Their bytes are kept, the message names them; the page shows their names."""
    gateway = StandInGateway()
    async with running_page(gateway) as page:
        action, hidden = await form_of(page)
        form = parts(
            hidden | {"text": "Look"}, ("a.png", PICTURE, "image/png"), ("b.csv", b"1", "text/csv")
        )
        assert (await sent(page, form, action))[0] == 303
        form = parts(hidden | {"text": "", "key": str(uuid4())}, ("v.ogg", b"OggS", "audio/ogg"))
        assert (await sent(page, form, action))[0] == 303
        first, second = events(gateway)
        assert isinstance(first, MessageReceived)
        assert first.text == "Look"
        told = [(each.kind, each.name, each.mime, each.kept) for each in first.attachments]
        assert told == [
            ("image", "a.png", "image/png", True),
            ("document", "b.csv", "text/csv", True),
        ]
        assert [gateway.keep.kept[each.file] for each in first.attachments] == [PICTURE, b"1"]
        assert (second.text, second.attachments[0].kind) == ("", "audio")
        async with page.client.get(action.removesuffix("/messages")) as response:
            assert "a.png" in await response.text()


async def test_a_form_without_a_file_is_words_as_ever() -> None:
    """Browsers send the empty field along; without words either there is nothing to send."""
    gateway = StandInGateway()
    async with running_page(gateway) as page:
        action, hidden = await form_of(page)
        assert (await sent(page, parts(hidden | {"text": "Hi"}), action))[0] == 303
        (event,) = events(gateway)
        assert (event.text, event.attachments) == ("Hi", ())
        status, html = await sent(page, parts(hidden | {"text": " ", "key": str(uuid4())}), action)
        assert status == 400
        assert "There is nothing to send yet" in html


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ((("a.bin", bytes(UPLOAD_FILE_MAX + 1), "x/y"),), "A file may have 20 MiB"),
        (tuple((f"{n}.txt", b"1", "text/plain") for n in range(9)), "At most 8 files"),
    ],
    ids=["large", "many"],
)
async def test_too_much_is_refused(files: tuple[tuple[str, bytes, str], ...], said: str) -> None:
    """Nothing is kept of what is not taken."""
    gateway = StandInGateway()
    async with running_page(gateway) as page:
        action, hidden = await form_of(page)
        status, html = await sent(page, parts(hidden | {"text": "x"}, *files), action)
        assert status == 413
        assert said in html
        assert gateway.keep.kept == {}
        assert events(gateway) == []


async def test_a_form_from_elsewhere_keeps_nothing() -> None:
    """Without the page's token its files are not kept either."""
    gateway = StandInGateway()
    async with running_page(gateway) as page:
        action, hidden = await form_of(page)
        form = parts(hidden | {"text": "x", "token": "1.f"}, ("a.png", PICTURE, "image/png"))
        assert (await sent(page, form, action))[0] == 403
        assert gateway.keep.kept == {}


def test_what_the_page_shows_of_files() -> None:
    """Their names below the words."""
    assert shown_text("Look", ["a.png", "b.csv"]) == "Look\n📎 a.png\n📎 b.csv"
    assert shown_text("", ["a.png"]) == "📎 a.png"
    assert shown_text("Look", []) == "Look"
