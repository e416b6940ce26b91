"""Every platform at once: what a model writes is shown whole, within the limits, at any moment.

Each platform's wire form is read back by what stands for its other end in these tests: the rules
of its loopback server, a reader of its markup, or the HTML a browser would parse.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.base import Capabilities
from platforms.blocks import Blocks, plain_text
from platforms.discord import format as discord
from platforms.discord.limits import CAPABILITIES as DISCORD
from platforms.markup import StreamParser, parse
from platforms.slack import format as slack
from platforms.slack.limits import CAPABILITIES as SLACK
from platforms.telegram import format as telegram
from platforms.telegram.limits import CAPABILITIES as TELEGRAM
from platforms.terminal import format as terminal
from platforms.terminal.limits import CAPABILITIES as TERMINAL
from platforms.text import Fits, parts_of, split, utf16_len
from platforms.web import format as web
from platforms.web.limits import CAPABILITIES as WEB
from tests.platforms import strategies
from tests.platforms.answers import ANSWERS, BUILT
from tests.platforms.discord.reader import show
from tests.platforms.web.strict_html import StrictReader, read_strictly
from tests.wire.discord.mentions import judge
from tests.wire.slack import rules as slack_rules
from tests.wire.telegram import rules as telegram_rules

LIVE_PARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One platform: its own measure, and what its people see of a message.

    `shown` fails for a message that the other end would refuse, or that would notify somebody.
    """

    capabilities: Capabilities
    fits: Fits
    shown: Callable[[Blocks], str]


def _telegram(body: Blocks) -> str:
    wire = telegram.format_blocks(body)
    entities = [
        {"type": entity.kind, "offset": entity.offset, "length": entity.length}
        | ({"url": entity.url} if entity.url else {})
        for entity in wire.entities
    ]
    if not wire.text.strip():
        return ""
    made = telegram_rules.format_text(wire.text, entities, limit=telegram_rules.TEXT_MAX)
    assert made.mentions == ()
    return made.text


def _slack(body: Blocks) -> str:
    wire = slack.format_blocks(body)
    names = {"everyone": "U1", "here": "U2", "some_user": "U3", "room": "U4"}
    assert not slack_rules.pings(
        wire.text, wire.blocks, parse="none", link_names=False, names=names
    )
    assert len(wire.text) <= slack_rules.UPDATE_TEXT_MAX
    return slack_rules.visible("", slack_rules.check_blocks(wire.blocks) if wire.blocks else [])


def _discord(body: Blocks) -> str:
    content = discord.format_blocks(body)
    assert len(content) <= DISCORD.text_max
    seen = show(content)
    judged = judge(content, {"parse": []}, replied_author=None, known={42, 123456789012345678})
    assert judged.nobody
    assert not (seen.mentions or seen.emoji or judged.elements)
    return re.sub("%40(?=everyone|here)", "@", seen.text)


class _Browser(StrictReader):
    """Numbers the items of ordered lists, as a browser draws them."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: list[int | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        if tag in {"ol", "ul"}:
            self._numbers.append(int(dict(attrs).get("start") or 1) if tag == "ol" else None)
        elif tag == "li" and (number := self._numbers[-1]) is not None:
            self._numbers[-1] = number + 1
            self.text.append("" if ("class", "continued") in attrs else f"{number}. ")

    def handle_endtag(self, tag: str) -> None:
        super().handle_endtag(tag)
        if tag in {"ol", "ul"}:
            self._numbers.pop()


def _web(body: Blocks) -> str:
    return "\n".join(
        "".join(read_strictly(html, _Browser()).text) for html in web.format_blocks(body)
    )


def _terminal(body: Blocks) -> str:
    return "\n".join(terminal.format_blocks(body, width=80, color=False))


def _whole(capabilities: Capabilities) -> Fits:
    """The measure of our own surfaces: the visible text alone."""
    return lambda body: len(plain_text(body)) <= capabilities.part_soft


PLATFORMS = {
    "telegram": Platform(capabilities=TELEGRAM, fits=telegram.fits, shown=_telegram),
    "slack": Platform(capabilities=SLACK, fits=slack.fits, shown=_slack),
    "discord": Platform(capabilities=DISCORD, fits=discord.fits, shown=_discord),
    "web": Platform(capabilities=WEB, fits=_whole(WEB), shown=_web),
    "terminal": Platform(capabilities=TERMINAL, fits=_whole(TERMINAL), shown=_terminal),
}


@pytest.fixture(params=PLATFORMS, scope="module")
def platform(request: pytest.FixtureRequest) -> Platform:
    """One platform after the other."""
    return PLATFORMS[request.param]


def letters(text: str) -> list[str]:
    """Letters and digits, composed: what no platform draws in its own way."""
    return [char for char in unicodedata.normalize("NFC", text) if char.isalnum()]


def check_shown(platform: Platform, tree: Blocks, parts: tuple[Blocks, ...]) -> None:
    """The parts are taken by the other end and together show every letter of the tree, in order.

    A table may show its cells in another order, and its header once more in every part.
    """
    for part in parts:
        assert platform.fits(part)
    wanted = letters(plain_text(tree))
    found = letters("\n".join(map(platform.shown, parts)))
    assert Counter(wanted) <= Counter(found)
    if "Table(" not in repr(tree):
        rest = iter(found)
        assert all(char in rest for char in wanted)


@given(st.one_of(strategies.documents(), strategies.markdown(), strategies.line_soup()))
def test_any_text_is_shown_whole(platform: Platform, source: str) -> None:
    """Sane or not, what a model writes arrives without a letter lost and within every limit."""
    tree = parse(source)
    check_shown(platform, tree, split(tree, platform.fits))


@settings(max_examples=12)  # each is thousands of characters
@given(st.lists(st.one_of(strategies.documents(), strategies.markdown()), min_size=8, max_size=14))
def test_long_text_is_shown_whole(platform: Platform, sources: list[str]) -> None:
    """So does what needs many messages: each is within the limit and nothing falls between two."""
    tree = parse("\n\n".join(sources * 3))
    check_shown(platform, tree, split(tree, platform.fits))


@pytest.mark.parametrize("source", strategies.HOSTILE, ids=range(len(strategies.HOSTILE)))
def test_hostile_text_is_shown_whole(platform: Platform, source: str) -> None:
    """Deep, endless and broken markup too."""
    tree = parse(source)
    check_shown(platform, tree, split(tree, platform.fits))


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_renders_at_every_prefix(platform: Platform, name: str) -> None:
    """Wherever an answer is cut, its first messages are taken by the other end and lose nothing."""
    source = ANSWERS[name]
    check_stream(platform, source, step=1 if len(source) < 1_000 else 47)  # they repeat themselves


def test_a_stream_of_two_difficulties_renders_at_every_prefix(platform: Platform) -> None:
    """So do tables, lists, code, links, emoji, right-to-left words and quotations, by twos."""
    assert len(ANSWERS) + len(BUILT) >= 50
    for source in BUILT.values():
        check_stream(platform, source, step=1)


def check_stream(platform: Platform, source: str, *, step: int) -> None:
    """After every step what is read is shown whole; at the end it is what is read at once."""
    stream = StreamParser()
    for start in range(0, len(source), step):
        stream.feed(source[start : start + step])
        view = stream.blocks()
        parts = tuple(islice(parts_of(view, platform.fits), LIVE_PARTS))
        check_shown(platform, view if len(parts) < LIVE_PARTS else parts[0], parts)
    assert stream.finish() == parse(source)


VISIBLE = st.one_of(
    st.sampled_from([mark for mark in strategies.MARKS if not re.search(r"[\]<`~]|\w", mark)]),
    st.sampled_from(strategies.SPACES),
)


@given(st.lists(VISIBLE, min_size=1, max_size=40))
def test_no_word_of_the_source_is_lost(platform: Platform, marks: list[str]) -> None:
    """Words between any marks that hide none are all seen, in their order, on every platform."""
    source = "".join(f"word{number:03}x{mark}" for number, mark in enumerate(marks))
    found = "".join(
        "".join(letters(platform.shown(part))) for part in split(parse(source), platform.fits)
    )
    rest = re.findall("word[0-9]{3}x", found)
    assert rest == [f"word{number:03}x" for number in range(len(marks))]


@pytest.mark.parametrize("unit", ["a", "漢", "👍🏽", "&", "*", "\\"])
def test_limits_are_the_other_ends(platform: Platform, unit: str) -> None:
    """A message filled to our measure is taken, and the measure is within the platform's own."""
    tree = parse(("word " + unit * 3 + " ") * 4_000)
    first = split(tree, platform.fits)[0]
    platform.shown(first)
    can = platform.capabilities
    size = {"utf16": utf16_len, "code_point": len}[can.text_unit](plain_text(first))
    assert size <= can.part_soft <= can.text_max
