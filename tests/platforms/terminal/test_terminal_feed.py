"""The present state of a chat, for terminals that come and go."""

from platforms.blocks import plain
from platforms.terminal.feed import Feed
from platforms.terminal.wire import MessageGone, MessageShown, Noticed, Working


def shown(ident: str, text: str) -> MessageShown:
    """A message of one paragraph."""
    return MessageShown(message_id=ident, body=plain(text))


def test_only_the_latest_state_of_each_thing_is_kept() -> None:
    """A slow reader gets states, not a queue."""
    feed = Feed(keep=10)
    for text in ("a", "ab", "abc"):
        feed.put(shown("1", text))
    assert feed.since(0) == (shown("1", "abc"),)
    assert feed.since(feed.version) == ()


def test_messages_keep_the_order_of_their_first_appearance() -> None:
    """An old message that changes does not jump behind newer ones; rest comes last."""
    feed = Feed(keep=10)
    feed.work("thinking")
    feed.put(shown("1", "a"))
    feed.put(shown("2", "b"))
    feed.put(shown("1", "a!"))
    feed.work(None)
    assert feed.since(0) == (shown("1", "a!"), shown("2", "b"), Working(label=None))


def test_the_same_state_again_is_no_news() -> None:
    """A repeated send shows nothing twice; a repeated notice is meant."""
    feed = Feed(keep=10)
    feed.put(shown("1", "a"))
    feed.notice("no", alert=False)
    seen = feed.version
    feed.put(shown("1", "a"))
    assert feed.since(seen) == ()
    feed.notice("no", alert=False)
    assert feed.since(seen) == (Noticed(text="no", alert=False),)


def test_a_withdrawn_message_is_gone_in_its_place() -> None:
    """Terminals that showed it are told."""
    feed = Feed(keep=10)
    feed.put(shown("1", "a"))
    feed.put(shown("2", "b"))
    feed.withdraw("1")
    assert feed.since(0) == (MessageGone(message_id="1"), shown("2", "b"))


def test_memory_is_bounded() -> None:
    """The oldest things go."""
    feed = Feed(keep=3)
    for number in range(100):
        feed.put(shown(str(number), "x"))
    assert [push.message_id for push in feed.since(0) if isinstance(push, MessageShown)] == [
        "97",
        "98",
        "99",
    ]
