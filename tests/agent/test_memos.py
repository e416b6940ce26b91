"""What later calls know from heals of earlier ones, for how long, and for whom."""

from dataclasses import replace

import pytest

from agent.memos import KEPT, Memos
from agent.messages import Origin
from agent.providers.base import AS_IT_IS, Adjustments

MAIN = Origin(provider="main", endpoint="http://main", model="m-1")
OTHER_MODEL = replace(MAIN, model="m-2")
OTHER_ENDPOINT = replace(MAIN, endpoint="http://other")
DAY = 24 * 3_600.0


def begins(
    memos: Memos,
    origin: Origin = MAIN,
    *,
    session: str = "s1",
    effort: str | None = None,
    now: float = 0.0,
    credential: str = "key-1",
) -> Adjustments:
    """How a call begins."""
    return memos.adjust(origin, session=session, effort=effort, now=now, credential=credential)


def keep(
    memos: Memos,
    name: str,
    *,
    session: str = "s1",
    now: float = 0.0,
    effort: str | None = None,
) -> None:
    """Remember something of the main model."""
    memos.keep(
        name,
        MAIN,
        session=session,
        credential="key-1",
        adjustments=Adjustments(effort=effort),
        now=now,
    )


def test_a_call_begins_as_it_is() -> None:
    """Without any memo nothing is changed but the preferred effort."""
    assert begins(Memos()) == AS_IT_IS
    assert begins(Memos(), effort="high") == Adjustments(effort="high")


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("stream_off", Adjustments(stream=False)),
        ("text_only", Adjustments(media=False, tool_media=False)),
        ("tool_images", Adjustments(tool_media=False)),
    ],
)
def test_what_a_model_can_not_do_is_known_for_that_model(name: str, changed: Adjustments) -> None:
    """In every chat and with every key, but for no other model or endpoint."""
    memos = Memos()
    keep(memos, name)
    assert begins(memos, session="s2", credential="key-2") == changed
    assert begins(memos, OTHER_MODEL) == begins(memos, OTHER_ENDPOINT) == AS_IT_IS
    assert begins(memos, replace(MAIN, provider="by another name")) == changed


def test_replay_is_off_for_one_chat_and_origin() -> None:
    """Other chats have other reasoning items."""
    memos = Memos()
    keep(memos, "replay_off")
    assert begins(memos) == Adjustments(replay=False)
    assert begins(memos, session="s2") == AS_IT_IS
    assert begins(memos, replace(MAIN, provider="another")) == AS_IT_IS


def test_the_header_of_the_long_window_belongs_to_a_credential() -> None:
    """Another account may have it; without a known key nothing is left out."""
    memos = Memos()
    keep(memos, "long_context_off")
    assert begins(memos, OTHER_MODEL) == Adjustments(long_context=False)
    assert begins(memos, credential="key-2") == AS_IT_IS
    assert memos.adjust(MAIN, session="s1", effort=None, now=0.0) == AS_IT_IS


def test_the_smaller_window_lasts_a_day() -> None:
    """200,000 tokens for this key and model, never more than the model has."""
    memos = Memos()
    keep(memos, "window_200k", now=10.0)
    assert memos.window(MAIN, "key-1", 1_000_000, 10.0 + DAY - 1) == 200_000
    assert memos.window(MAIN, "key-1", 128_000, 11.0) == 128_000
    assert memos.window(MAIN, "key-2", 1_000_000, 11.0) == 1_000_000
    assert memos.window(OTHER_MODEL, "key-1", 1_000_000, 11.0) == 1_000_000
    assert memos.window(MAIN, "key-1", 1_000_000, 10.0 + DAY) == 1_000_000


def test_streaming_is_off_for_a_day() -> None:
    """Then it is tried again."""
    memos = Memos()
    keep(memos, "stream_off", now=10.0)
    assert not begins(memos, now=10.0 + DAY - 1).stream
    assert begins(memos, now=10.0 + DAY).stream


def test_a_level_that_was_found_is_used_from_then_on() -> None:
    """In other chats of the same preference too; a different preference is its own."""
    memos = Memos()
    begins(memos, effort="max")
    keep(memos, "effort", effort="high")
    assert begins(memos, effort="max").effort == "high"
    assert begins(memos, session="s2", effort="max").effort == "high"
    assert begins(memos, session="s3", effort="low").effort == "low"
    assert begins(memos, OTHER_MODEL, effort="max").effort == "max"
    assert begins(memos, session="s2", effort="max").effort == "high"


def test_no_effort_at_all_may_be_what_was_found() -> None:
    """The field is left out, whatever is preferred."""
    memos = Memos()
    begins(memos, effort="low")
    keep(memos, "effort", effort=None)
    assert begins(memos, effort="low").effort is None


def test_the_level_none_is_not_the_absence_of_a_level() -> None:
    """A model that is asked not to think is asked so."""
    memos = Memos()
    begins(memos, effort="low")
    keep(memos, "effort", effort="none")
    assert begins(memos, effort="low").effort == "none"


def test_a_changed_preference_forgets_what_was_found() -> None:
    """Whoever sets the effort anew wants it tried, also when it is set back."""
    memos = Memos()
    begins(memos, effort="max")
    keep(memos, "effort", effort="high")
    assert begins(memos, effort="xhigh").effort == "xhigh"
    assert begins(memos, effort="max").effort == "max"
    assert begins(memos, session="s2", effort="max").effort == "max"


def test_a_level_nobody_asked_for_is_not_kept() -> None:
    """Without a preference there is nothing it could stand for."""
    memos = Memos()
    keep(memos, "effort", effort="low")
    assert begins(memos, effort="max").effort == "max"


def test_an_unknown_name_is_a_fault() -> None:
    """What nobody reads is not written."""
    with pytest.raises(ValueError, match="shoe_size"):
        keep(Memos(), "shoe_size")


def test_memos_are_bounded() -> None:
    """What was used longest ago goes first; what is in use stays."""
    memos = Memos()
    keep(memos, "replay_off", session="first")
    keep(memos, "replay_off", session="second")
    for number in range(KEPT - 1):
        assert not begins(memos, session="first").replay
        keep(memos, "replay_off", session=f"s{number}")
    assert not begins(memos, session="first").replay
    assert begins(memos, session="second").replay
