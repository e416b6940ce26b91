"""The present state of a chat, for terminals that come and go."""

from platforms.blocks import plain
from platforms.terminal.feed import Feed
from platforms.terminal.wire import File, MessageGone, MessageShown, Noticed, Working


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


def test_what_was_missed_stands_before_what_is_new() -> None:
    """In its own order; what stands here already stays as it is, and in its place."""
    feed = Feed(keep=10)
    feed.put(shown("4", "four"))
    feed.put(shown("3", "three, by now"))
    feed.recall((shown("1", "one"), MessageGone(message_id="2"), shown("3", "three")))
    assert feed.since(0) == (
        shown("1", "one"),
        MessageGone(message_id="2"),
        shown("4", "four"),
        shown("3", "three, by now"),
    )
    assert feed.known() == {"1", "2", "3", "4"}


def test_what_was_missed_is_news_to_whoever_has_seen_the_rest() -> None:
    """And it changes in its place like any message."""
    feed = Feed(keep=10)
    feed.put(shown("2", "two"))
    feed.shown = feed.version
    feed.recall((shown("1", "one"),))
    assert feed.since(feed.shown) == (shown("1", "one"),)
    feed.put(shown("1", "one!"))
    assert feed.since(0) == (shown("1", "one!"), shown("2", "two"))


def test_what_is_new_outlives_what_was_missed() -> None:
    """Where there is no room for all, the oldest go."""
    feed = Feed(keep=3)
    feed.put(shown("3", "three"))
    feed.put(shown("4", "four"))
    feed.recall((shown("1", "one"), shown("2", "two")))
    assert feed.since(0) == (shown("2", "two"), shown("3", "three"), shown("4", "four"))


def test_a_forgotten_file_comes_back() -> None:
    """Its message is not known whole until then, and keeps its place."""
    whole = MessageShown(message_id="1", body=(), file=File(name="a", mime="a/b", data=b"x"))
    feed = Feed(keep=10)
    feed.put(whole)
    feed.put(shown("2", "two"))
    feed.forget_file("1")
    assert feed.known() == {"2"}
    feed.recall((whole,))
    assert feed.since(0) == (whole, shown("2", "two"))
    assert feed.known() == {"1", "2"}


def test_a_retired_feed_has_never_shown_all() -> None:
    """Its chat goes on elsewhere."""
    feed = Feed(keep=10)
    feed.put(shown("1", "one"))
    feed.shown = feed.version
    feed.retire()
    assert feed.shown != feed.version
