"""What every Sink keeps: one operation is one effect, told truly, within every limit."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from platforms.blocks import plain
from platforms.content import AnswerPress, Delete, Done, Edit, Sent, Typing, Upload
from platforms.errors import (
    ChatUnavailable,
    MessageGone,
    MessageRejected,
    PlatformError,
    PlatformUnavailable,
    SendUncertain,
    TooLong,
)
from platforms.events import ButtonPressed, MessageRef, PressToken
from platforms.markup import parse
from platforms.text import split
from tests.contracts.platforms.benches import BENCHES, REMOTE, Bench, elsewhere, listening
from tests.contracts.platforms.own_benches import TerminalBench
from tests.contracts.platforms.posts import GO, card, post
from tests.platforms.slack import journal as at_slack
from tests.platforms.telegram import journal as at_telegram
from tests.wire.discord import DiscordServer
from tests.wire.discord.server import TOKEN as DISCORD_TOKEN
from tests.wire.discord.world import SUPPRESS_EMBEDS
from tests.wire.server import CutAfter, CutBefore, Hold
from tests.wire.slack import SlackServer
from tests.wire.slack.server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET
from tests.wire.telegram import TOKEN as TELEGRAM_TOKEN
from tests.wire.telegram import TelegramServer

SECRETS = (DISCORD_TOKEN, APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, TELEGRAM_TOKEN)
NAMES = ("../../etc/passwd", "C:\\temp\\report.txt", "a\x00b.txt", "x" * 296 + ".txt", "", "é\n.md")
UNITS = ("a", "👍🏽", "🇩🇪", "e\u0301", "漢", "&")
CALLS_AFTER_DEATH_MAX = 3


@pytest.fixture(params=list(BENCHES))
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """One connected adapter after the other."""
    async with BENCHES[request.param]() as made:
        yield made


@pytest.fixture(params=REMOTE)
async def remote(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """One after the other of those that speak to somebody else's server."""
    async with BENCHES[request.param]() as made:
        yield made


async def posted(bench: Bench, text: str, nonce: str = "n1") -> MessageRef:
    """Post and give where it stands."""
    outcome = await bench.adapter.perform(post(bench.chat, text, nonce=nonce))
    assert isinstance(outcome, Sent)
    return outcome.message


async def test_one_operation_is_one_request(remote: Bench) -> None:
    """Nothing is looked up before or tried again behind; a file on Slack is its three calls."""
    assert remote.server is not None
    message = await posted(remote, "one")
    upload = Upload(chat=remote.chat, data=b"x", name="x.txt", mime="text/plain", nonce="n2")
    calls = {"slack": 3}.get(remote.name, 1)
    for operation, requests in (
        (post(remote.chat, "two", nonce="n3"), 1),
        (Edit(message=message, body=plain("three")), 1),
        (Delete(message=message), 1),
        (upload, calls),
    ):
        before = _calls(remote)
        await remote.adapter.perform(operation)
        assert _calls(remote) - before == requests


def _calls(bench: Bench) -> int:
    """Requests of ours so far; what the platform hands over is none."""
    assert bench.server is not None
    return sum(seen.operation != "ack" for seen in bench.server.record)


@pytest.mark.parametrize("fault", [CutBefore(), CutAfter()], ids=["before", "after"])
async def test_a_cut_behind_the_write_leaves_doubt(
    remote: Bench, fault: CutBefore | CutAfter
) -> None:
    """Whether it had its effect nobody can tell, so nobody says that it had none."""
    assert remote.server is not None
    remote.server.faults.add(remote.post, fault)
    with pytest.raises(SendUncertain):
        await posted(remote, "hello")
    assert len(remote.server.requests(remote.post)) == 1
    assert await remote.shown(0) == (["hello"] if isinstance(fault, CutAfter) else [])


async def test_without_a_connection_nothing_was_sent(remote: Bench) -> None:
    """Nobody listens any more, and that is known: a kept connection is found dead first."""
    assert remote.server is not None
    await posted(remote, "hello")
    await remote.server.close()
    for number in (1, 2):
        with pytest.raises((PlatformUnavailable, SendUncertain) if number == 1 else PlatformError):
            await posted(remote, "again", nonce=f"a{number}")
    with pytest.raises(PlatformUnavailable):
        await posted(remote, "again", nonce="a3")


async def test_an_edit_is_a_state_and_not_a_step(bench: Bench) -> None:
    """Made twice it stands once, "not modified" is success, and controls go with the words."""
    await bench.adapter.perform(card(bench.chat))
    message = await bench.newest()
    edit = Edit(message=message, body=plain("Done."))
    for _ in range(2):
        assert await bench.adapter.perform(edit) == Done()
    await posted(bench, "and next", nonce="n2")
    assert await bench.shown(2) == ["Done.", "and next"]


async def test_what_is_gone_is_told(bench: Bench) -> None:
    """Taking back twice is done; editing it says so, or on our own surfaces shows it anew."""
    message = await posted(bench, "hello")
    for _ in range(2):
        assert await bench.adapter.perform(Delete(message=message)) == Done()
    edit = Edit(message=message, body=plain("after all"))
    if bench.server is not None:
        with pytest.raises(MessageGone):
            await bench.adapter.perform(edit)
        assert await bench.shown(0) == []
    else:
        await bench.adapter.perform(edit)
        assert await bench.shown(1) == ["after all"]


@pytest.mark.parametrize("unit", UNITS)
async def test_text_around_the_limit_is_taken(bench: Bench, unit: str) -> None:
    """At our limit less one, at it and over it, of whatever characters: no part is refused."""
    can = bench.adapter.capabilities
    soft = min(can.part_soft, 20_000) if bench.server is None else can.part_soft
    size = len(unit.encode("utf-16-le")) // 2 if can.text_unit == "utf16" else len(unit)
    for number, length in enumerate((soft - 1, soft, soft + 1)):
        text = unit * (length // size) + "a" * (length % size)
        for place, part in enumerate(split(plain(text), bench.adapter.fits)):
            await bench.adapter.perform(post(bench.chat, part, nonce=f"n{number}x{place}"))
    shown = "".join(await bench.shown(3)).replace("\n", "")
    wanted = sum((soft + more) // size for more in (-1, 0, 1))
    assert shown.count(unit) + shown.count("é") >= wanted


async def test_a_long_answer_loses_nothing(bench: Bench) -> None:
    """Prose, 30 KB of code, tables and 200 links: every word of it stands, in order, in parts."""
    words = [f"word{number:05}" for number in range(12_000)]
    prose = "\n\n".join(" ".join(words[at : at + 50]) for at in range(0, 6_000, 50))
    code = "\n".join(" ".join(words[at : at + 6]) for at in range(6_000, 9_600, 6))
    rows = "\n".join(f"| {words[at]} | {words[at + 1]} |" for at in range(9_600, 9_800, 2))
    links = " ".join(f"[{words[9_800 + n]}](https://a.example/{n})" for n in range(200))
    rest = "\n\n".join(" ".join(words[at : at + 50]) for at in range(10_000, 12_000, 50))
    answer = f"{prose}\n\n```py\n{code}\n```\n\n| a | b |\n|---|---|\n{rows}\n\n{links}\n\n{rest}"
    assert len(answer) > 100_000
    tree = parse(answer)
    parts = split(tree, bench.adapter.fits)
    for number, part in enumerate(parts):
        await bench.adapter.perform(post(bench.chat, part, nonce=f"n{number}"))
    shown = "\n".join(await bench.shown(len(parts)))
    found = [shown.find(word) for word in words]
    assert -1 not in found
    assert found == sorted(found)


@pytest.mark.parametrize("name", NAMES)
async def test_a_file_has_a_plain_name(bench: Bench, name: str) -> None:
    """No path, no control character and not too long; the bytes are as they were."""
    data = bytes(range(256)) * 4
    upload = Upload(chat=bench.chat, data=data, name=name, mime="text/plain", nonce="f1")
    assert isinstance(await bench.adapter.perform(upload), Sent)
    ((shown, stored),) = await bench.files()
    assert stored == data
    assert 1 <= len(shown.encode()) <= 255 * 4
    assert len(shown) <= 255
    assert not set(shown) & set("/\\\x00\n\r")


async def test_a_file_over_the_limit_is_refused(bench: Bench) -> None:
    """One byte more than is declared is TooLong, and nothing stands."""
    too_much = bytes(bench.adapter.capabilities.upload_max_bytes + 1)
    upload = Upload(chat=bench.chat, data=too_much, name="a.bin", mime="a/b", nonce="f1")
    with pytest.raises(TooLong):
        await bench.adapter.perform(upload)
    await posted(bench, "only this")
    assert await bench.shown(1) == ["only this"]


async def test_a_sign_of_life_that_hangs_delays_nothing(remote: Bench) -> None:
    """While the platform sits on it a post stands; let go, the sign is over like any other."""
    assert remote.server is not None
    chat = remote.chat
    if remote.name == "slack":  # it has its place under a thread
        chat = replace(chat, thread_id=(await posted(remote, "root")).message_id)
    before, released = len(await remote.shown(0)), asyncio.Event()
    remote.server.faults.add(remote.typing, Hold(released=released))
    sign = asyncio.create_task(remote.adapter.perform(Typing(chat=chat, label="thinking")))
    await posted(remote, "hello", nonce="n2")
    assert (await remote.shown(0))[before:] == ["hello"]
    assert not sign.done()
    released.set()
    assert await sign == Done()


@pytest.mark.warp
async def test_a_sign_of_life_ends_by_itself_in_a_terminal() -> None:
    """Not renewed it goes after its life; renewed in time it stays, and the end takes it away."""
    async with TerminalBench.open() as bench:
        refresh = bench.adapter.capabilities.typing_refresh_s
        assert refresh is not None
        await bench.adapter.perform(Typing(chat=bench.chat, label="once"))
        await bench.works("once")
        await bench.works(None)
        for number in range(5):
            await bench.adapter.perform(Typing(chat=bench.chat, label=f"at it {number}"))
            await bench.works(f"at it {number}")
            await asyncio.sleep(refresh)
            assert not await _gone(bench)
        await bench.adapter.perform(Typing(chat=bench.chat, on=False))
        await bench.works(None)


async def _gone(bench: TerminalBench) -> bool:
    """Whether the sign went away meanwhile."""
    try:
        async with asyncio.timeout(0.01):
            await bench.works(None)
    except TimeoutError:
        return False
    return True


async def test_links_unfold_nowhere(remote: Bench) -> None:
    """Neither in a post nor in any edit of it."""
    message = await posted(remote, "see https://a.example/one")
    for number in range(2):
        edit = Edit(message=message, body=plain(f"see https://a.example/{number}"))
        await remote.adapter.perform(edit)
    match remote.server:
        case SlackServer() as slack:
            shown = [version.unfurls for m in slack.ours(at_slack.DM) for version in m.history]
        case TelegramServer() as tg:
            shown = [version.preview for m in tg.ours(at_telegram.ADA) for version in m.history]
        case DiscordServer() as discord:
            messages = discord.bot_messages(discord.dm(discord.ada))
            flags = [version.flags for m in messages for version in m.history]
            shown = [not flag & SUPPRESS_EMBEDS for flag in flags]
    assert len(shown) == 3
    assert not any(shown)


async def test_a_dead_chat_has_its_class(bench: Bench) -> None:
    """A chat that is not there is ChatUnavailable after one call, and stays so."""
    if bench.name == "terminal":
        chat = replace(bench.chat, account=replace(bench.chat.account, id="other"))
    else:
        chat = elsewhere(bench.chat)
    before = len(bench.server.record) if bench.server else 0
    for number in range(CALLS_AFTER_DEATH_MAX):
        with pytest.raises(ChatUnavailable):
            await bench.adapter.perform(post(chat, "hello", nonce=f"n{number}"))
    if bench.server:
        assert len(bench.server.record) - before <= CALLS_AFTER_DEATH_MAX


@pytest.mark.parametrize("name", BENCHES)
async def test_only_the_presser_reads_an_answer(name: str) -> None:
    """The card stays as it is, and nothing of the answer stands in the chat."""
    async with listening(name) as (bench, journal):
        await bench.adapter.perform(card(bench.chat))
        await bench.press(await bench.newest(), GO.payload)
        (delivery,) = await journal.count(1)
        assert isinstance(delivery.events, tuple)
        (event,) = delivery.events
        assert isinstance(event, ButtonPressed)
        answer = AnswerPress(press=event.press, text="Only you read this.", alert=True)
        assert await bench.adapter.perform(answer) == Done()
        assert "Only you read this." not in (await bench.shown(1))[0]


async def test_a_press_of_nobody_is_expired(remote: Bench) -> None:
    """A token that is none of the platform's is given up, never tried again."""
    made = PressToken(kind="button", value="{}", usable_until=datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(MessageRejected):
        await remote.adapter.perform(AnswerPress(press=made, text="late"))


async def test_no_failure_tells_a_secret(remote: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Cut, hanging, refused and closed: neither errors, their causes nor the finest log show it."""
    assert remote.server is not None
    caplog.set_level(logging.DEBUG)
    told: list[str] = []
    for number, fault in enumerate((CutBefore(), CutAfter(), None)):
        chat = remote.chat if fault else elsewhere(remote.chat)
        if fault:
            remote.server.faults.add(remote.post, fault)
        try:
            await remote.adapter.perform(post(chat, "private words", nonce=f"n{number}"))
        except PlatformError as error:
            told += traceback.format_exception(error)
    await remote.server.close()
    for number in range(2):
        try:
            await posted(remote, "private words", nonce=f"m{number}")
        except PlatformError as error:
            told += traceback.format_exception(error)
    told += [repr(remote.adapter), *(str(vars(record)) for record in caplog.records)]
    assert len(told) > 5
    for secret in SECRETS:
        assert not any(secret in line for line in told)
