"""Forms and presses, from a button to what was filled in, over both ways in and the real SDK."""

import asyncio
import json
import string
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.blocks import plain
from platforms.content import AnswerPress, Button, Done, Edit, Field, Form, OpenForm
from platforms.errors import MessageRejected, PressExpired, SendUncertain, TooLong
from platforms.events import (
    ButtonPressed,
    ChatRef,
    CommandInvoked,
    FormSubmitted,
    MessageRef,
    PressToken,
    Receipt,
)
from platforms.slack.client import SlackAdapter
from platforms.slack.forms import Place, read_place, read_values, view_of
from platforms.slack.limits import CAPABILITIES, FIELD_MAX
from platforms.slack.parse import parse
from tests.platforms import strategies
from tests.platforms.slack.journal import (
    ADA,
    DM,
    GENERAL,
    Journal,
    chat_of,
    post,
    posted,
    running,
)
from tests.platforms.slack.test_parse import CASES, INDEX, NOW
from tests.wire.server import Answer, CutAfter
from tests.wire.slack import SlackServer, views

WHY = Form(
    id="1deny:K7Q2F",
    title="Deny",
    submit="Deny",
    fields=(Field(name="reason", label="Why?", multiline=True, max_length=500),),
)
ROWS = ((Button(label="Deny...", payload="f1deny"), Button(label="Yes", payload="y")),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A card with a button that opens a form, and what came in."""

    server: SlackServer
    adapter: SlackAdapter
    journal: Journal
    card: MessageRef

    async def press(self, label: str = "Deny...", *, by: str = ADA) -> ButtonPressed:
        """Somebody presses; gives the press as it came."""
        chat = self.card.chat.chat_id
        count = len(self.journal.deliveries)
        await self.server.press(chat=chat, ts=self.card.message_id, user=by, label=label)
        await self.journal.count(count + 1)
        await self.server.settled()
        event = self.journal.events[-1]
        assert isinstance(event, ButtonPressed)
        return event

    async def open(self, form: Form = WHY, *, by: str = ADA) -> ButtonPressed:
        """Somebody presses and the form stands before them."""
        event = await self.press(by=by)
        assert isinstance(await self.adapter.perform(opening(event, form)), Done)
        return event

    async def submit(self, values: Mapping[str, str], *, by: str = ADA) -> FormSubmitted:
        """Somebody sends the form before them; gives it as it came."""
        count = len(self.journal.deliveries)
        await self.server.submit(by, values)
        await self.journal.count(count + 1)
        await self.server.settled()
        event = self.journal.events[-1]
        assert isinstance(event, FormSubmitted)
        return event


def opening(event: ButtonPressed | CommandInvoked | FormSubmitted, form: Form = WHY) -> OpenForm:
    """The form as the answer to a press."""
    assert event.press is not None
    return OpenForm(press=event.press, form=form, chat=event.chat, person=event.author.id)


@asynccontextmanager
async def desk(
    *, http: bool = False, chat: str = GENERAL, threaded: bool = True
) -> AsyncIterator[Desk]:
    """A card in a thread, or in the channel itself."""
    async with SlackServer(echoes=False) as server:
        server.person(ADA, "ada")
        server.channel(chat).members.add(ADA)
        root = None
        if threaded:
            server.forgetful = True
            root = await server.say(chat=chat, user=ADA, text="do it")
            server.forgetful = False
        journal = Journal()
        async with running(server, journal, http=http) as adapter:
            place = chat_of(server, chat, root)
            card = await posted(adapter, post(place, "sure?", controls=ROWS))
            yield Desk(server=server, adapter=adapter, journal=journal, card=card)


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_a_form_comes_back_as_it_was_filled_in(http: bool) -> None:
    """Title, field and words go there; values, place, card and form id come back; it is gone."""
    async with desk(http=http) as at:
        pressed = await at.open()
        assert pressed.payload == "f1deny"
        shown = at.server.modal(ADA)
        assert (shown.title, shown.labels) == ("Deny", ("Why?",))
        words = "too <dear> & *late*\n<@U2> ```x``` \N{GRINNING FACE}"
        event = await at.submit({"Why?": words})
        assert (event.form_id, event.values) == (WHY.id, {"reason": words})
        assert (event.chat, event.reply_to) == (pressed.chat, pressed.reply_to)
        assert event.card == pressed.card == at.card
        assert event.author == pressed.author
        assert event.author.id == ADA and event.author.space == "T1"
        with pytest.raises(AssertionError, match="nothing stands"):
            at.server.modal(ADA)
        acknowledgement = at.server.deliveries[-1].answers[-1]
        body = json.loads(acknowledgement) if http else acknowledgement
        assert body == {"response_action": "clear"}


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_a_form_is_journaled_before_it_is_acknowledged(http: bool) -> None:
    """While the journal holds it Slack hears nothing; then the form goes away."""
    async with desk(http=http) as at:
        await at.open()
        at.journal.held = asyncio.Event()
        sent = await at.server.submit(ADA, {"reason": "no"})
        await at.journal.count(2)
        assert (sent.state, sent.answers, at.journal.stored) == ("sent", [], 1)
        at.journal.held.set()
        await at.server.settled()
        assert (sent.state, at.journal.stored) == ("done", 2)


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
async def test_a_form_that_finds_no_room_stays_before_its_person(http: bool) -> None:
    """BUSY is never acknowledged; sent once more it is the same act and is taken."""
    async with desk(http=http) as at:
        await at.open()
        at.journal.next_receipts.append(Receipt.BUSY)
        lost = await at.server.submit(ADA, {"reason": "no"})
        await at.journal.count(2)
        if not http:
            await at.server.advance(3)
        await at.server.settled()
        assert lost.state == "lost" and at.server.modal(ADA).warning
        first = at.journal.events[-1]
        assert isinstance(first, FormSubmitted)
        again = await at.submit({})
        assert (again.logical_key, again.values) == (first.logical_key, {"reason": "no"})


async def test_a_closed_form_is_silence() -> None:
    """Who cancels has said nothing, and the button works again."""
    async with desk() as at:
        await at.open()
        await at.server.cancel(ADA)
        await at.open()
        assert (await at.submit({"reason": "x"})).values == {"reason": "x"}
        assert len(at.journal.deliveries) == 3


async def test_a_trigger_is_good_once_and_for_three_seconds() -> None:
    """Late, twice, or with none at all: the press can no longer be answered with a form."""
    async with desk() as at:
        event = await at.open()
        with pytest.raises(PressExpired):
            await at.adapter.perform(opening(event))
        late = await at.press()
        await at.server.advance(3)
        with pytest.raises(PressExpired):
            await at.adapter.perform(opening(late))
        calls = len(at.server.requests("views.open"))
        for value in ("", "{}", "[]", '{"trigger": 7}', '{"trigger": ""}'):
            press = PressToken(kind="slack", value=value, usable_until=NOW)
            with pytest.raises(PressExpired):
                await at.adapter.perform(replace(opening(late), press=press))
        assert len(at.server.requests("views.open")) == calls


async def test_a_form_in_doubt_is_tried_once_more_by_the_caller() -> None:
    """The second call is refused because the first one opened it: the form stands once."""
    async with desk() as at:
        event = await at.press()
        at.server.faults.add("views.open", CutAfter())
        with pytest.raises(SendUncertain):
            await at.adapter.perform(opening(event))
        with pytest.raises(PressExpired):
            await at.adapter.perform(opening(event))
        assert len(at.server.interactions.modals) == 1


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("expired_trigger_id", PressExpired),
        ("exchanged_trigger_id", PressExpired),
        ("invalid_trigger_id", PressExpired),
        ("view_too_large", TooLong),
        ("invalid_arguments", MessageRejected),
        ("internal_error", SendUncertain),
    ],
)
async def test_refusals_of_a_form(word: str, error: type[Exception]) -> None:
    """Each word of Slack's becomes the class its caller acts on."""
    async with desk() as at:
        event = await at.press()
        body = json.dumps({"ok": False, "error": word}).encode()
        at.server.faults.add("views.open", Answer(status=200, body=body))
        with pytest.raises(error) as raised:
            await at.adapter.perform(opening(event))
        assert type(raised.value) is error


async def test_a_form_for_editing_holds_its_text() -> None:
    """What stands in it beforehand comes back unchanged; labels are cut, texts never."""
    script = "import os\n\tprint('&lt; <b> ✓')\n" * 60
    form = Form(
        id="1edit:K7Q2F",
        title="Edit the arguments of a call",
        submit="Use these arguments",
        fields=(
            Field(name="script", label="x" * 2_500, text=script, max_length=4_000),
            Field(name="flavor", label="Flavor", text="t4-small", required=False),
        ),
    )
    async with desk() as at:
        await at.open(form)
        shown = at.server.modal(ADA)
        assert shown.title == "Edit the arguments of a…"
        assert len(shown.labels[0]) == views.INPUT_LABEL_MAX
        event = await at.submit({"flavor": ""})
        assert event.values == {"script": script, "flavor": ""}
        pressed = await at.press()
        for text, most in (("x" * (FIELD_MAX + 1), 9_999), ("abc", 2)):
            field = Field(name="script", label="S", text=text, max_length=most)
            with pytest.raises(TooLong):
                await at.adapter.perform(opening(pressed, replace(form, fields=(field,))))


async def test_a_command_and_a_form_can_open_a_form() -> None:
    """Both come with a trigger; without a card there is none in what comes back."""
    async with desk() as at:
        await at.server.command(chat=GENERAL, user=ADA, text="deny K7Q2F")
        await at.journal.count(1)
        await at.server.settled()
        command = at.journal.events[-1]
        assert isinstance(command, CommandInvoked)
        await at.adapter.perform(opening(command))
        first = await at.submit({"reason": "one"})
        await at.adapter.perform(opening(first))
        second = await at.submit({"reason": "two"})
        assert (first.card, second.card) == (None, None)
        assert first.chat == second.chat == chat_of(at.server, GENERAL)
        assert first.logical_key != second.logical_key


@pytest.mark.parametrize(("chat", "threaded"), [(GENERAL, True), (GENERAL, False), (DM, False)])
async def test_words_after_a_form_are_private(chat: str, threaded: bool) -> None:
    """Only who sent it reads them, where the card stands; no words need no call."""
    async with desk(chat=chat, threaded=threaded) as at:
        await at.open()
        event = await at.submit({"reason": "no"})
        assert event.press is not None
        await at.adapter.perform(AnswerPress(press=event.press))
        await at.adapter.perform(AnswerPress(press=event.press, text="the card <changed>"))
        (only,) = at.server.ephemerals
        assert (only.user, only.text) == (ADA, "the card <changed>")
        assert (only.channel, only.thread_ts) == (chat, at.card.chat.thread_id)
        assert len(at.server.ours(chat, at.card.chat.thread_id)) == 1
        at.server.channel(chat).members.discard(ADA)
        with pytest.raises(PressExpired):
            await at.adapter.perform(AnswerPress(press=event.press, text="x"))


async def test_the_longest_private_answer_is_taken() -> None:
    """As many characters as we promise, of the widest and of the most escaped kind."""
    async with desk() as at:
        event = await at.press("Yes")
        for char in ("x", "\N{GRINNING FACE}", "\\", '"', "&"):
            text = "a" + char * (CAPABILITIES.private_max - 2) + "b"
            await at.adapter.perform(AnswerPress(press=event.press, text=text))
        lengths = [len(each.text) for each in at.server.ephemerals]
        assert lengths == [CAPABILITIES.private_max] * 5


# -- who pressed, and what


@pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
@pytest.mark.parametrize(
    ("person", "marks"),
    [
        ({"name": "ben"}, ("T1", "human", False, False)),
        ({"name": "gus", "restricted": True}, ("T1", "human", False, True)),
        ({"name": "eve", "team": "T9"}, ("T9", "human", True, False)),
        ({"name": "eve", "team": "T9", "restricted": True}, ("T9", "human", True, True)),
        ({"name": "robo", "bot": True}, ("T1", "bot", False, False)),
    ],
)
async def test_who_presses_is_marked(
    http: bool, person: dict[str, Any], marks: tuple[str, str, bool, bool]
) -> None:
    """The immutable id with its team; guests, strangers and bots are what they are, in both."""
    async with desk(http=http) as at:
        at.server.person("U5", **person)
        pressed = await at.open(by="U5")
        submitted = await at.submit({"reason": "x"}, by="U5")
        for author in (pressed.author, submitted.author):
            assert (author.id, author.name) == ("U5", person["name"])
            assert (author.space, author.kind, author.external, author.guest) == marks
        at.server.person("U5", "somebody else entirely")
        assert (await at.press("Yes", by="U5")).author.id == "U5"


@pytest.mark.parametrize("fault", [Answer(status=500), CutAfter()], ids=["5xx", "cut"])
async def test_who_cannot_be_asked_about_counts_as_a_guest(fault: Answer | CutAfter) -> None:
    """Nobody decides on the ground that we did not get an answer."""
    async with desk() as at:
        at.server.faults.add("users.info", fault)
        author = (await at.press("Yes", by="U5")).author
        assert (author.id, author.guest, author.external) == ("U5", True, False)


async def test_slackbot_is_a_service() -> None:
    """Whatever it may press."""
    async with desk() as at:
        assert (await at.press("Yes", by="USLACKBOT")).author.kind == "service"


async def test_a_strangers_forged_payload_arrives_unchanged() -> None:
    """Whether a press counts is judged elsewhere: any value of ours in form comes as it is."""
    async with desk() as at:
        at.server.person("U6", "mallory", team="T9")
        delivery = await at.server.press(
            chat=GENERAL, ts=at.card.message_id, user="U6", label="Yes"
        )
        await at.server.settled()
        for number, forged in enumerate(("1" + "A" * 38, "/approve K7Q2F", "f", "~!\"'<>&" * 8)):
            payload = json.loads(json.dumps(delivery.payload))
            payload["actions"][0] |= {"value": forged, "action_ts": f"1795262410.00000{number}"}
            await at.server.send_raw(payload, kind="interactive")
            await at.journal.count(number + 2)
            await at.server.settled()
            event = at.journal.events[-1]
            assert isinstance(event, ButtonPressed)
            assert (event.payload, event.card) == (forged, at.card)
            assert (event.author.id, event.author.external) == ("U6", True)


PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " "


@given(st.text(alphabet=PRINTABLE, min_size=1, max_size=64))
def test_every_payload_comes_back_byte_for_byte(value: str) -> None:
    """A button's, a choice's and a form's id are read alike, and never changed."""
    press = json.loads(json.dumps(CASES["press"]["payload"]))
    press["actions"][0]["value"] = value
    menu = json.loads(json.dumps(CASES["menu_choice_overflow"]["payload"]))
    menu["actions"][0]["selected_option"]["value"] = value
    sent = json.loads(json.dumps(CASES["view_submission"]["payload"]))
    sent["view"]["callback_id"] = value
    found = []
    for payload in (press, menu, sent):
        result = parse(payload, INDEX, now=NOW)
        assert isinstance(result, tuple)
        found.append(result[0])
    first, second, third = found
    assert isinstance(first, ButtonPressed) and first.payload == value
    assert isinstance(second, ButtonPressed) and second.payload == value
    assert isinstance(third, FormSubmitted) and third.form_id == value


@pytest.mark.parametrize("value", ["x" * 65, "é", "a\nb", "a\x00", 7, ["x"]])
def test_a_payload_no_control_of_ours_has_is_malformed(value: object) -> None:
    """Over 64 bytes, or not printable ASCII, it can't be ours: stored, and nothing more."""
    for name in ("press", "menu_choice_overflow", "view_submission"):
        payload = json.loads(json.dumps(CASES[name]["payload"]))
        if name == "press":
            payload["actions"][0]["value"] = value
        elif name == "menu_choice_overflow":
            payload["actions"][0]["selected_option"]["value"] = value
        else:
            payload["view"]["callback_id"] = value
        assert getattr(parse(payload, INDEX, now=NOW), "reason", "") == "malformed"


async def test_two_people_press_in_the_same_instant() -> None:
    """They are two acts; the same one delivered twice is one."""
    payload = CASES["press"]["payload"]
    other = payload | {"user": payload["user"] | {"id": "U2"}}
    keys = []
    for each in (payload, payload, other):
        result = parse(each, INDEX, now=NOW)
        assert isinstance(result, tuple)
        keys.append(result[0].logical_key)
    assert keys[0] == keys[1] != keys[2]


async def test_buttons_go_when_the_card_is_decided() -> None:
    """An edit takes the controls away; the press before it still answers."""
    async with desk() as at:
        event = await at.press("Yes")
        await at.adapter.perform(Edit(message=at.card, body=plain("Approved by ada")))
        (shown,) = at.server.ours(GENERAL)
        assert (shown.text, shown.labels) == ("Approved by ada", ())
        await at.adapter.perform(AnswerPress(press=event.press, text="ok"))
        assert at.server.ephemerals[-1].text == "ok"


# -- the pure parts


def test_the_place_of_a_form_survives_the_way() -> None:
    """It is small, and anything else that comes back is nobody's place."""
    place = Place(channel="C" * 40, thread="1795262400.000100", card="1795262401.000100")
    view = view_of(WHY, place)
    assert read_place(view["private_metadata"]) == place
    assert len(view["private_metadata"]) < views.PRIVATE_METADATA_MAX / 10
    for junk in (
        None,
        7,
        "",
        "{}",
        "[]",
        '["C1"]',
        '["C 1",null,null]',
        '["C1","x",null]',
        "[" * 9,
    ):
        assert read_place(junk) is None


def test_a_form_no_modal_can_hold_is_refused() -> None:
    """Two fields of one name would overwrite each other, and a place must fit."""
    twice = replace(WHY, fields=WHY.fields * 2)
    nameless = replace(WHY, fields=(replace(WHY.fields[0], name=""),))
    for form in (twice, nameless):
        with pytest.raises(MessageRejected):
            view_of(form, Place(channel="C1"))
    with pytest.raises(MessageRejected):
        view_of(WHY, Place(channel="C" * 3_000))


@given(st.text(max_size=40), st.text(max_size=60), st.text(max_size=3_000))
def test_any_words_make_a_form_slack_takes(title: str, label: str, text: str) -> None:
    """Whatever stands in titles, labels and fields, it is plain and within every limit."""
    fields = (Field(name="a", label=label, text=text, max_length=FIELD_MAX),)
    form = Form(id="x", title=title, submit=label, fields=fields)
    chat = ChatRef(account=INDEX.us.account, chat_id="C1")
    views.check_view(view_of(form, Place(channel=chat.chat_id)))


@pytest.mark.parametrize("words", strategies.PINGS)
def test_words_of_a_form_are_plain(words: str) -> None:
    """Nothing in it is markup."""
    fields = (Field(name="a", label=words, text=words),)
    view = view_of(Form(id="x", title=words, fields=fields), Place(channel="C1"))
    assert "mrkdwn" not in json.dumps(view)
    assert view["blocks"][0]["element"]["initial_value"] == words


def test_values_of_any_shape_are_read() -> None:
    """What is no text is an empty one; what is no field is none."""
    state = {"a": {"x": {"value": None}, "y": 7, "\ud800": {"value": "z"}}, "b": 7}
    assert read_values({"state": {"values": state}}) == {"x": "", "y": ""}
    assert read_values({"state": 7}) == {}
