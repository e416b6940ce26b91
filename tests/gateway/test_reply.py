"""The growing reply: when it is first seen, and how it grows."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from agent.events import (
    ProviderSwitched,
    StepRewound,
    StepStarted,
    ToolFinished,
    ToolStarted,
    Waiting,
)
from agent.messages import ResultStatus
from gateway.reply import LIVE_PARTS
from gateway.store.records import outbox
from platforms.content import Edit, Post
from tests.gateway.growing import ENOUGH, growing
from tests.gateway.records.rows import arrival
from tests.gateway.way_out import ANN, WayOut


async def test_a_quick_answer_is_one_post(way: WayOut) -> None:
    """Complete before anything was shown: no placeholder, no edit."""
    it = await growing(way)
    it.say(ENOUGH)
    await it.still()
    await it.ends(ENOUGH)
    assert it.adapter.shown("1001") == [ENOUGH]
    assert len(it.adapter.performed) == 1


async def test_the_first_post_comes_with_enough_words(way: WayOut) -> None:
    """A moment after the first word, if 24 characters are there by then."""
    it = await growing(way)
    it.say("Paris ")
    await it.passes(0.3)
    it.say("is the capital of France.\n")
    await it.passes(0.05)
    await it.still()
    assert it.adapter.performed == []
    it.clock.advance(0.05)
    await it.adapter.shows("1001", ENOUGH)


async def test_few_words_wait_for_more(way: WayOut) -> None:
    """Under 24 characters nothing is posted before 1.5 seconds."""
    it = await growing(way)
    it.say("Yes.\n")
    await it.passes(1.4)
    await it.still()
    assert it.adapter.performed == []
    it.clock.advance(0.1)
    await it.adapter.shows("1001", "Yes.")


async def test_without_words_a_placeholder_says_so(way: WayOut) -> None:
    """After 1.5 seconds the reader sees that work is under way, and what runs."""
    it = await growing(way)
    it.reply.watch(ToolStarted(call_id="c1", label="files: list"))
    await it.passes(1.5)
    await it.adapter.shows("1001", "Working on it: files: list")
    (row,) = await way.store.read(lambda tx: outbox.of_turn(tx, 1))
    assert (row.purpose, row.op, row.part) == ("anchor", "post", 0)


@pytest.mark.parametrize("over", ["step", "word"])
async def test_a_long_wait_stands_in_the_placeholder(way: WayOut, over: str) -> None:
    """Who is waited for until when, and how to end it; the next step or word takes it away."""
    it = await growing(way)
    await it.passes(1.5)
    await it.adapter.shows("1001", "Working on it ...")
    until = it.clock.now() + 90_000_000
    it.reply.watch(Waiting(provider="main", until=until))
    await it.passes(3.0)
    at = f"{datetime.fromtimestamp(until / 1_000_000, tz=UTC):%H:%M} UTC"
    await it.adapter.shows("1001", f"Waiting for main until {at}; /stop ends it.")
    if over == "step":
        it.reply.watch(StepStarted(step=1, model="m"))
        it.reply.watch(ToolStarted(call_id="c1", label="files: list"))
        shown = "Working on it: files: list"
    else:
        it.say(f"{ENOUGH}\n\n")
        shown = ENOUGH
    await it.passes(3.0)
    await it.adapter.shows("1001", shown)


async def test_the_placeholder_is_stored_before_it_is_sent(way: WayOut) -> None:
    """Its nonce is on disk while the request is out."""
    held = asyncio.Event()
    way.adapter.then(Post, held)
    it = await growing(way)
    await it.passes(1.5)
    (post,) = await it.adapter.performing(1)
    (row,) = await way.store.read(lambda tx: outbox.of_turn(tx, 1))
    assert isinstance(post, Post)
    assert (row.state, row.nonce) == ("in_flight", post.nonce)
    held.set()


async def test_where_pushing_is_free_it_grows_at_once(make_way: Any) -> None:
    """Every state is pushed, small changes too, at the platform's own pace."""
    way = make_way(stream="push", edit_interval_s=0.1)
    it = await growing(way)
    it.say("Pa")
    await it.adapter.shows("1001", "P")  # the last letter may still take an accent
    it.say("ris.\n")
    await it.passes(0.1)
    await it.adapter.shows("1001", "Paris.")
    assert it.posts() == 1


async def test_edits_keep_the_interval_and_the_latest_wins(way: WayOut) -> None:
    """What came between two edits is shown by the second, all at once."""
    it = await growing(way)
    await it.first_post()
    for number in range(10):
        it.say(f"And some more words, {number}.\n")
    await it.passes(0.9)
    await it.still()
    assert len(it.adapter.performed) == 1
    it.clock.advance(0.1)
    (edit,) = await it.adapter.performing(1, Edit)
    assert isinstance(edit, Edit)
    assert "words, 9" in it.adapter.shown("1001")[0]


async def test_groups_are_edited_less_often(way: WayOut) -> None:
    """The group's interval holds in a group."""
    content = arrival(1).content
    it = await growing(way, content=type(content)(kind="message", reply_to=ANN, grouped=True))
    await it.first_post()
    it.say("And a lot more words behind it.\n")
    await it.passes(2.9)
    await it.still()
    assert len(it.adapter.performed) == 1
    it.clock.advance(0.1)
    await it.adapter.performing(1, Edit)


async def test_a_small_change_waits_for_more(way: WayOut) -> None:
    """Under 24 characters an edit waits three seconds in all."""
    it = await growing(way)
    await it.first_post()
    it.say("Yes.\n")
    await it.passes(1.0)
    await it.passes(1.9)
    await it.still()
    assert len(it.adapter.performed) == 1
    it.clock.advance(0.1)
    await it.adapter.shows("1001", f"{ENOUGH}\n\nYes.")


async def test_a_small_change_that_grows_waits_no_longer(way: WayOut) -> None:
    """The first word after an edit does not hold up the next hundred."""
    it = await growing(way)
    await it.first_post()
    it.say("And")
    await it.passes(1.0)
    await it.still()
    it.say(" a lot more words behind it.\n")
    await it.adapter.shows("1001", f"{ENOUGH}\n\nAnd a lot more words behind it.")


async def test_what_runs_stands_below_the_words(way: WayOut) -> None:
    """A tool is named while it runs and goes with its end."""
    it = await growing(way)
    await it.first_post()
    it.reply.watch(ToolStarted(call_id="c1", label="files: read a.md"))
    await it.passes(1.0)
    await it.adapter.shows("1001", f"{ENOUGH}\n\nWorking on it: files: read a.md")
    it.reply.watch(ToolFinished(call_id="c1", status=ResultStatus.DONE))
    await it.passes(1.0)
    await it.adapter.shows("1001", ENOUGH)


async def test_steps_follow_each_other(way: WayOut) -> None:
    """The words of a step stay when the next one begins."""
    it = await growing(way)
    it.say("Let me look for that file.")
    it.reply.watch(StepStarted(step=2, model="m"))
    it.say("There it is, in the folder.\n")
    await it.passes(0.5)
    await it.adapter.shows("1001", "Let me look for that file.\n\nThere it is, in the folder.")


async def test_a_rewind_takes_the_steps_words_back(way: WayOut) -> None:
    """Words of a failed provider go before another's come; those of earlier steps stay."""
    it = await growing(way)
    it.say("Let me look for that file.")
    it.reply.watch(StepStarted(step=2, model="m"))
    it.say("WRONG WRONG WRONG")
    await it.passes(0.5)
    await it.adapter.until(lambda: "WRONG" in "".join(it.adapter.shown("1001")))
    it.reply.watch(StepRewound(step=2))
    it.reply.watch(ProviderSwitched(model="spare", primary="m"))
    it.reply.watch(StepStarted(step=2, model="spare"))
    await it.passes(1.0)
    await it.adapter.shows("1001", "Let me look for that file.")


async def test_long_answers_grow_in_parts(make_way: Any) -> None:
    """A full part stays as it is, the next one grows; three grow at most."""
    way = make_way(part_soft=40)
    it = await growing(way)
    words = [f"This is paragraph number {number}." for number in range(5)]
    it.say("\n\n".join(words) + "\n\n")
    await it.passes(0.5)
    await it.adapter.shows("1001", *words[:LIVE_PARTS])
    rows = await way.store.read(lambda tx: outbox.of_turn(tx, 1))
    assert [(row.purpose, row.part) for row in rows] == [("anchor", 0), ("part", 1), ("part", 2)]
    await it.ends("\n\n".join(words))
    assert it.adapter.shown("1001") == words
    assert len(it.adapter.performed) == 5


async def test_parts_the_final_text_no_longer_fills_are_deleted(make_way: Any) -> None:
    """After a rewind a shorter answer leaves nothing of the longer one."""
    way = make_way(part_soft=40)
    it = await growing(way)
    it.say("This is paragraph number 1.\n\nThis is paragraph number 2.\n\n")
    await it.passes(0.5)
    await it.adapter.until(lambda: len(it.adapter.shown("1001")) == 2)
    rows = await it.ends("Short.")
    assert [(row.op, row.part) for row in rows] == [("edit", 0), ("delete", 1)]
    assert it.adapter.shown("1001") == ["Short."]


async def test_parts_that_cannot_be_deleted_are_withdrawn(make_way: Any) -> None:
    """Where nothing can be taken back the part says so."""
    way = make_way(part_soft=40, delete=False)
    it = await growing(way)
    it.say("This is paragraph number 1.\n\nThis is paragraph number 2.\n\n")
    await it.passes(0.5)
    await it.adapter.until(lambda: len(it.adapter.shown("1001")) == 2)
    await it.ends("Short.")
    assert it.adapter.shown("1001") == ["Short.", "(withdrawn)"]


async def test_an_answer_over_all_parts_comes_as_a_file(make_way: Any) -> None:
    """The first part, the line that says so, the file; live parts beyond are taken back."""
    way = make_way(part_soft=60)
    it = await growing(way)
    words = [f"This is paragraph number {number}." for number in range(20)]
    it.say("\n\n".join(words))
    await it.passes(0.5)
    await it.adapter.until(lambda: len(it.adapter.shown("1001")) == LIVE_PARTS)
    await it.ends("\n\n".join(words))
    shown = it.adapter.shown("1001")
    assert shown[0].startswith("This is paragraph number 0.")
    assert shown[-1] == "file answer.md"
    assert sum("answer.md" in text for text in shown) == 2
    assert len(shown) <= 3


@pytest.mark.parametrize("grouped", [True, False])
async def test_in_a_group_the_reply_answers_its_message(way: WayOut, grouped: bool) -> None:
    """The first part quotes what was asked, so that readers know what it is about."""
    content = type(arrival(1).content)(kind="message", reply_to=ANN, grouped=grouped)
    it = await growing(way, content=content)
    await it.ends("Done.")
    (post,) = it.adapter.performed
    assert isinstance(post, Post)
    assert (post.quote.message_id if post.quote else None) == ("1" if grouped else None)
