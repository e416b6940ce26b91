"""A declared capability is proven over the real adapter; an absent one raises a typed error."""

import importlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from platforms.base import Capabilities, History
from platforms.blocks import plain
from platforms.content import (
    AnswerPress,
    Button,
    Done,
    Edit,
    Field,
    Form,
    Menu,
    OpenForm,
    React,
    Sent,
    Typing,
)
from platforms.errors import MarkupRejected, MessageRejected, ThreadGone, TooLong
from platforms.events import ButtonPressed, MessageReceived, PressToken
from tests.contracts.platforms.benches import BENCHES, Bench, listening
from tests.contracts.platforms.posts import GO, card, post
from tests.wire.discord import rules as discord_rules
from tests.wire.slack import rules as slack_rules
from tests.wire.telegram import rules as telegram_rules

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    """The numbers of the manual of this gateway, as `docs` and design tell them."""

    text_max: int
    part_soft: int
    upload: int
    refresh_s: float | None
    edit_s: float
    edit_group_s: float
    nonce_s: float | None
    rows: int
    per_row: int
    menu: int
    field: int


DOCUMENTED: Mapping[str, Documented] = {
    "slack": Documented(
        text_max=40_000,
        part_soft=3_900,
        upload=50 * MIB,
        refresh_s=90,
        edit_s=1.0,
        edit_group_s=1.0,
        nonce_s=None,
        rows=5,
        per_row=5,
        menu=25,
        field=3_000,
    ),
    "discord": Documented(
        text_max=2_000,
        part_soft=1_950,
        upload=10 * MIB,
        refresh_s=8,
        edit_s=1.2,
        edit_group_s=1.2,
        nonce_s=120,
        rows=5,
        per_row=5,
        menu=25,
        field=4_000,
    ),
    "telegram": Documented(
        text_max=4_096,
        part_soft=4_000,
        upload=50 * MIB,
        refresh_s=4,
        edit_s=1.2,
        edit_group_s=3.5,
        nonce_s=None,
        rows=50,
        per_row=2,
        menu=0,
        field=4_096,
    ),
}
ENFORCED: Mapping[str, int] = {
    "slack": slack_rules.UPDATE_TEXT_MAX,
    "discord": discord_rules.CONTENT_MAX,
    "telegram": telegram_rules.TEXT_MAX,
}
"""The most one message of text may have by the loopback server; Slack's update takes the least."""


@pytest.fixture(params=list(BENCHES))
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """One connected adapter after the other."""
    async with BENCHES[request.param]() as made:
        yield made


@pytest.mark.parametrize("name", BENCHES)
def test_capabilities_are_the_limits(name: str) -> None:
    """What is declared is what `limits.py` says, sane in itself, and what the manual tells."""
    can: Capabilities = importlib.import_module(f"platforms.{name}.limits").CAPABILITIES
    assert 0 < can.part_soft <= can.text_max
    assert can.rows * can.buttons_per_row >= 8
    assert (can.form is None) == (can.form_field_max == 0)
    assert can.nonce_life_s or can.read_back or name == "telegram"
    if name not in DOCUMENTED:
        return
    said = Documented(
        text_max=can.text_max,
        part_soft=can.part_soft,
        upload=can.upload_max_bytes,
        refresh_s=can.typing_refresh_s,
        edit_s=can.edit_interval_s,
        edit_group_s=can.edit_interval_group_s,
        nonce_s=can.nonce_life_s,
        rows=can.rows,
        per_row=can.buttons_per_row,
        menu=can.menu_options,
        field=can.form_field_max,
    )
    assert said == DOCUMENTED[name]
    assert can.part_soft <= ENFORCED[name]


async def test_the_adapter_declares_its_limits(bench: Bench) -> None:
    """Who asks the adapter reads the same value."""
    limits = importlib.import_module(f"platforms.{bench.name}.limits")
    assert bench.adapter.capabilities == limits.CAPABILITIES
    assert bench.adapter.platform == bench.name


async def test_as_many_buttons_as_declared(bench: Bench) -> None:
    """Every row full of the longest payloads stands whole, as post and as edit."""
    can = bench.adapter.capabilities
    rows = tuple(
        tuple(_button(row * can.buttons_per_row + at) for at in range(can.buttons_per_row))
        for row in range(can.rows)
    )
    wanted = [button.payload for row in rows for button in row]
    await bench.adapter.perform(post(bench.chat, "Which?", controls=rows))
    assert await bench.payloads() == wanted
    edit = Edit(message=await bench.newest(), body=plain("Which?"), controls=rows[:1])
    await bench.adapter.perform(edit)
    await bench.adapter.perform(post(bench.chat, "next", nonce="n2"))
    assert (await bench.shown(2))[0] == "Which?"


def _button(number: int) -> Button:
    return Button(label=f"Choice {number}", payload=f"{number:064}")


async def test_as_many_choices_as_declared(bench: Bench) -> None:
    """A menu as long as is declared; where there are none it is refused, or laid out as buttons."""
    can = bench.adapter.capabilities
    options = tuple(_button(number) for number in range(can.menu_options or 5))
    menu = post(bench.chat, "Which?", controls=((Menu(label="More", options=options),),))
    if can.menu_options == 0 and bench.server is not None:
        with pytest.raises(MessageRejected):
            await bench.adapter.perform(menu)
        return
    await bench.adapter.perform(menu)
    assert await bench.payloads() == [option.payload for option in options]


async def test_a_repeated_post_is_what_the_nonce_promises(bench: Bench) -> None:
    """Within its life the same nonce is the same message; without one, two stand."""
    once = post(bench.chat, "hello", nonce="the-same-nonce")
    first, second = [await bench.adapter.perform(once) for _ in range(2)]
    await bench.adapter.perform(post(bench.chat, "next", nonce="another"))
    known = bench.adapter.capabilities.nonce_life_s is not None
    assert (first == second) is known
    assert await bench.shown(2) == ["hello", "next"] if known else ["hello", "hello", "next"]


async def test_looking_for_a_post_is_possible_or_not_implemented(bench: Bench) -> None:
    """What stands is found, what does not is not; elsewhere nobody pretends to know."""
    sent = await bench.adapter.perform(stands := post(bench.chat, "hello", nonce="n-stands"))
    assert isinstance(sent, Sent)
    since = datetime.now(UTC) - timedelta(seconds=5)
    missing = post(bench.chat, "never said", nonce="n-missing")
    if bench.adapter.capabilities.read_back:
        assert await bench.adapter.find(stands, since) == sent.message
        assert await bench.adapter.find(missing, since) is None
    else:
        with pytest.raises(NotImplementedError):
            await bench.adapter.find(stands, since)


THREADLESS = ("web", "terminal")


@pytest.mark.parametrize("name", THREADLESS)
async def test_where_there_are_no_threads_one_is_gone(name: str) -> None:
    """ThreadGone: the words go to the chat itself. Threads of groups have rows of their own."""
    async with BENCHES[name]() as bench:
        assert bench.adapter.capabilities.threads is None
        with pytest.raises(ThreadGone):
            await bench.adapter.perform(post(replace(bench.chat, thread_id="t1"), "hello"))


@pytest.mark.parametrize("name", BENCHES)
async def test_a_reaction_is_put_or_refused(name: str) -> None:
    """Put, put again and taken off; where there is no place for one that is said by its class."""
    async with listening(name) as (bench, journal):
        await bench.say("hello")
        await journal.count(1)
        (event,) = journal.messages.values()
        react = React(message=event.message, emoji="👀")
        if not bench.adapter.capabilities.react:
            with pytest.raises(MessageRejected):
                await bench.adapter.perform(react)
            return
        for operation in (react, react, replace(react, on=False), replace(react, on=False)):
            assert await bench.adapter.perform(operation) == Done()


async def test_words_for_one_person(bench: Bench) -> None:
    """Any time, or only behind a press: then a post for one person in a group is refused."""
    private = bench.adapter.capabilities.private
    if private != "on_press":
        outcome = await bench.adapter.perform(post(bench.chat, "for you", only_for=_ann(bench)))
        assert isinstance(outcome, Sent)
        return
    group = replace(bench.chat, chat_id={"discord": "4101", "telegram": "-100200"}[bench.name])
    with pytest.raises(MessageRejected):
        await bench.adapter.perform(post(group, "for you", only_for=_ann(bench)))


def _ann(bench: Bench) -> str:
    return {"slack": "U1", "discord": "42", "telegram": "1001", "web": "local"}.get(
        bench.name, "1000"
    )


@pytest.mark.parametrize("name", BENCHES)
async def test_a_private_word_as_long_as_declared(name: str) -> None:
    """Behind a press, to the last character of the number that is declared."""
    async with listening(name) as (bench, journal):
        event = await _pressed(bench, journal)
        words = "漢" * bench.adapter.capabilities.private_max
        answer = AnswerPress(press=event.press, text=words, alert=True)
        assert await bench.adapter.perform(answer) == Done()


async def _pressed(bench: Bench, journal: Any) -> ButtonPressed:
    await bench.adapter.perform(card(bench.chat))
    await bench.press(await bench.newest(), GO.payload)
    (delivery,) = await journal.count(1)
    assert isinstance(delivery.events, tuple)
    (event,) = delivery.events
    assert isinstance(event, ButtonPressed)
    return event


async def test_a_form_is_refused_where_there_are_none() -> None:
    """Its class says so; what it would have asked is asked in words."""
    async with BENCHES["terminal"]() as bench:
        assert bench.adapter.capabilities.form is None
        press = PressToken(kind="x", value="x/y", usable_until=datetime.now(UTC))
        form = Form(id="f", title="Why?", fields=(Field(name="reason", label="Why?"),))
        with pytest.raises(MessageRejected):
            await bench.adapter.perform(
                OpenForm(press=press, form=form, chat=bench.chat, person=_ann(bench))
            )


async def test_a_sign_of_life_comes_and_goes(bench: Bench) -> None:
    """Every surface declares one; putting it up and taking it away are always done."""
    assert bench.adapter.capabilities.typing_refresh_s is not None
    for on in (True, False, False):
        assert await bench.adapter.perform(Typing(chat=bench.chat, label="x", on=on)) == Done()


async def test_text_over_the_platforms_own_limit_is_too_long(bench: Bench) -> None:
    """What nobody has split is refused before or by the platform, with the class that splits it."""
    can = bench.adapter.capabilities
    whole = plain("a" * (can.text_max + 1))
    assert not bench.adapter.fits(whole)
    if bench.server is None:
        return  # nobody there refuses: `fits` alone says what is split
    with pytest.raises((TooLong, MarkupRejected) if bench.name == "slack" else TooLong):
        await bench.adapter.perform(post(bench.chat, whole))


@pytest.mark.parametrize("name", BENCHES)
async def test_what_was_said_before_is_read_or_unknown(name: str) -> None:
    """Slack and Discord tell it; whoever can't has no such method to call."""
    async with listening(name) as (bench, journal):
        await bench.say("before")
        await bench.say("now")
        await journal.heard(2)
        newest = next(e for e in journal.messages.values() if e.text == "now")
        assert isinstance(newest, MessageReceived)
        if isinstance(bench.adapter, History):
            assert name in {"slack", "discord"}
            said = await bench.adapter.earlier(newest.message, 5)
            assert [each.text for each in said] == ["before"]
        else:
            assert name in {"telegram", "web", "terminal"}
