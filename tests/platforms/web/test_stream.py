"""Whatever a reader misses, what it shows in the end is the chat as it stands."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.blocks import Blocks
from platforms.content import Button, Field, Form
from platforms.markup import parse
from platforms.web.controls import Filling
from platforms.web.history import Answering
from platforms.web.html import Html
from platforms.web.live import LiveChat, LiveMessage
from platforms.web.page import Rendered, log_content
from platforms.web.stream import Stream
from tests.platforms import strategies
from tests.platforms.web.browser_model import BrowserModel, EventReader

AT = datetime(2026, 11, 21, tzinfo=UTC)
NOBODY = Answering(provider="p", model="m")

FORM = Form(id="f1", title="Why?", fields=(Field(name="why", label="Reason"),))

Step = Callable[[LiveChat], None]

ids = st.sampled_from(["a", "b", "c"])
controls = st.sampled_from([(), ((Button(label="Allow <it>", payload="x"),),)])


def _put(name: str, body: Blocks, buttons: tuple[tuple[Button, ...], ...]) -> Step:
    message = LiveMessage(message_id=name, speaker="assistant", body=body, at=AT, controls=buttons)
    return lambda live: live.put(message)


steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(_put, ids, strategies.blocks(depth=1, max_size=3), controls),
    ids.map(lambda name: lambda live: live.withdraw(name)),
    st.tuples(ids, st.booleans()).map(
        lambda found: lambda live: live.react(found[0], "👀", on=found[1])
    ),
    st.tuples(ids, st.sampled_from([None, FORM])).map(
        lambda found: lambda live: live.show_form(found[0], found[1])
    ),
    st.sampled_from([None, "", "files list"]).map(
        lambda label: lambda live: live.show_status(label)
    ),
)
READS = st.sampled_from(["not", "yes", "cut"])


def _log(live: LiveChat) -> Html:
    rendered = tuple(
        Rendered(message=message, blocks=live.html_of(message)) for message in live.messages()
    )
    return log_content(
        rendered,
        conversation="c",
        answering=NOBODY,
        working=False,
        form=None,
        fillings={card: Filling(card=card, form=form) for card, form in live.forms().items()},
    )


def _read(live: LiveChat, stream: Stream, model: BrowserModel, reader: EventReader) -> None:
    data = stream.take()
    for event in reader.feed(stream.reset(_log(live)) if data is None else data):
        model.take(event)


@settings(max_examples=60)
@given(st.lists(st.tuples(steps, READS), max_size=25), st.integers(2, 6))
def test_every_reader_ends_with_the_chat_as_it_stands(
    script: list[tuple[Step, str]], keep: int
) -> None:
    """However changes and reads interleave, and wherever the connection is cut in between."""
    live = LiveChat(keep=keep)
    model, reader = BrowserModel(), EventReader()
    stream = Stream(live, conversation="c", epoch="e", after="e.0")
    for step, read in script:
        step(live)
        if read == "yes":
            _read(live, stream, model, reader)
        elif read == "cut":
            # What was written last never arrived; the browser comes back with the last id it had.
            stream.take()
            stream = Stream(live, conversation="c", epoch="e", after=reader.last_id or "e.0")
    _read(live, stream, model, reader)
    assert stream.take() == b""
    # What fell out of memory the page still shows; the store has it.
    for message in live.messages():
        assert model.messages[message.message_id] == list(live.html_of(message))
        assert ("👀" in model.feet[message.message_id]) == ("👀" in message.reactions)
        assert ("Allow" in model.feet[message.message_id]) == bool(message.controls)
        filled_in = live.form(message.message_id) is not None
        assert (message.message_id in model.forms) == filled_in
    assert not any(live.withdrawn(name) for name in model.messages)


def test_a_growing_answer_crosses_the_wire_as_what_changed() -> None:
    """A long answer is not sent anew for each of its states."""
    live = LiveChat(keep=8)
    stream = Stream(live, conversation="c", epoch="e", after="e.0")
    settled = "".join(f"paragraph {n} " + "x" * 100 + "\n\n" for n in range(50))
    _put("a", parse(settled), ())(live)
    assert len(stream.take() or b"") > 5_000
    for count in range(1, 50):
        _put("a", parse(settled + "y" * count), ())(live)
        assert 0 < len(stream.take() or b"") < 300


def test_a_quiet_chat_sends_nothing() -> None:
    """Looking twice is free."""
    live = LiveChat(keep=8)
    stream = Stream(live, conversation="c", epoch="e", after="e.0")
    assert stream.take() == b""
    live.show_status("")
    assert stream.take()
    assert stream.take() == b""


@pytest.mark.parametrize("after", ["", "e", "f.1", "e.", "e.-1", "e.1x", "e.2", "e.\u0661"])
def test_a_foreign_event_id_means_everything_anew(after: str) -> None:
    """An id of another process, of the future or of nobody is answered by a reset alone."""
    live = LiveChat(keep=8)
    live.show_status("")
    assert Stream(live, conversation="c", epoch="e", after=after).take() is None


def test_events_are_decoded_byte_by_byte() -> None:
    """Any cutting of the wire gives the same events."""
    live = LiveChat(keep=8)
    live.show_status("ä\n\nb")
    data = Stream(live, conversation="c", epoch="e", after="e.0").take() or b""
    whole, pieces = EventReader(), EventReader()
    events = whole.feed(data)
    assert [one for byte in data for one in pieces.feed(bytes([byte]))] == events
    assert [one.name for one in events] == ["status", "mark"]
    assert events[-1].id == "e.1"
