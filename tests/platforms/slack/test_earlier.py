"""What was said before a message: of its thread with the root, or of its channel."""

from collections.abc import AsyncIterator

import pytest

from platforms.base import History
from platforms.errors import ChatUnavailable, RateLimited
from platforms.events import MessageRef
from platforms.slack.limits import QUOTE_MAX
from tests.platforms.slack.ground import HISTORY, REPLIES, Ground
from tests.platforms.slack.journal import ADA, GENERAL, chat_of, connected, post
from tests.platforms.slack.moments import Moments
from tests.wire.slack import SlackServer
from tests.wire.slack.rates import RATION
from tests.wire.slack.world import File

MOST = 20


@pytest.fixture
async def ground() -> AsyncIterator[Ground]:
    """A server in the test's own time, with a channel."""
    time = Moments()
    async with SlackServer(clock=time.wall, echoes=False) as server:
        server.channel(GENERAL)
        server.person(ADA, "ada")
        yield Ground(time=time, server=server)


def ref(ground: Ground, ts: str, thread: str | None = None) -> MessageRef:
    """A message of the channel."""
    return MessageRef(chat=chat_of(ground.server, GENERAL, thread), message_id=ts)


async def test_a_channel_gives_its_newest_messages_before_it(ground: Ground) -> None:
    """Oldest first, people's and ours, without replies of threads and without what came after."""
    say = ground.server.say
    async with connected(ground.server, clock=ground.time.clock) as adapter:
        assert isinstance(adapter, History)
        for number in range(MOST):
            await say(chat=GENERAL, user=ADA, text=f"old {number}")
        root = await say(chat=GENERAL, user="U2", text="look, @ada")
        await say(chat=GENERAL, user=ADA, text="aside", thread=root)
        await adapter.perform(post(chat_of(ground.server, GENERAL), "I said so"))
        file = File(id="F1", name="log.txt", length=1)
        await say(chat=GENERAL, user=ADA, text="see", files=[file])
        asked = await say(chat=GENERAL, user=ADA, text="@gatepost what now?")
        await say(chat=GENERAL, user=ADA, text="later")
        found = await adapter.earlier(ref(ground, asked), MOST)
        assert [each.text for each in found[-4:]] == [
            "old 19", "look, @ada", "I said so", "see (file: log.txt)",
        ]  # fmt: skip
        assert [[one.id for one in each.attachments] for each in found[-2:]] == [[], ["F1"]]
        assert len(found) == MOST
        assert [each.author.is_us for each in found[-4:]] == [False, False, True, False]
        assert (found[-3].author.name, found[-3].author.id) == ("u2", "U2")
        assert found[-3].message == ref(ground, root)


async def test_a_thread_gives_its_root_and_its_newest_replies(ground: Ground) -> None:
    """Also of a thread of more than a page; nothing of the channel around it."""
    say = ground.server.say
    async with connected(ground.server, clock=ground.time.clock) as adapter:
        await say(chat=GENERAL, user=ADA, text="around")
        root = await say(chat=GENERAL, user=ADA, text="root")
        first = await say(chat=GENERAL, user=ADA, text="x" * (QUOTE_MAX + 1), thread=root)
        told = await adapter.earlier(ref(ground, first, root), MOST)
        assert [each.text for each in told] == ["root"]
        for number in range(210):
            await say(chat=GENERAL, user=ADA, text=f"r{number}", thread=root)
        asked = await say(chat=GENERAL, user=ADA, text="@gatepost?", thread=root)
        told = await adapter.earlier(ref(ground, asked, root), MOST)
        newest = [f"r{number}" for number in range(191, 210)]
        assert [each.text for each in told] == ["root", *newest]
        told = await adapter.earlier(ref(ground, asked, root), 500)
        assert len(told[1].text) == QUOTE_MAX


async def test_a_limited_method_is_left_alone(ground: Ground) -> None:
    """One refusal is enough to know; after its time the next call is made."""
    say = ground.server.say
    async with connected(ground.server, clock=ground.time.clock) as adapter:
        await say(chat=GENERAL, user=ADA, text="one")
        asked = await say(chat=GENERAL, user=ADA, text="@gatepost?")
        ground.server.methods.rationed = True
        await adapter.earlier(ref(ground, asked), MOST)
        for _ in range(3):
            with pytest.raises(RateLimited):
                await adapter.earlier(ref(ground, asked), MOST)
        assert [seen.operation for seen in ground.server.record].count(HISTORY) == 2
        ground.time.skip(61)
        assert [each.text for each in await adapter.earlier(ref(ground, asked), MOST)] == ["one"]
        with pytest.raises(ChatUnavailable):
            other = chat_of(ground.server, "C404")
            ground.time.skip(61)
            await adapter.earlier(MessageRef(chat=other, message_id=asked), MOST)
        assert await adapter.earlier(ref(ground, "V1"), MOST) == ()


@pytest.mark.warp
async def test_a_rationed_app_reads_a_gap_back_minute_by_minute(ground: Ground) -> None:
    """One call a minute and 15 messages of it: it takes longer, and nothing is missing."""
    async with ground.running():
        await ground.told("before")
        ground.server.methods.rationed = True
        async with ground.cut_off():
            await ground.untold(*(f"m{number}" for number in range(2 * RATION + 5)))
        before = ground.time.clock()
        for _ in range(8):
            await ground.time.advance(31)
        gap = await ground.reported()
        assert gap.recovered == len(ground.late()) == 2 * RATION + 5
        asked = [seen for seen in ground.server.record if seen.operation in {HISTORY, REPLIES}]
        assert len([seen for seen in asked if seen.status == 200]) == 3
        assert len(asked) <= 6
        assert ground.time.clock() - before >= 120
