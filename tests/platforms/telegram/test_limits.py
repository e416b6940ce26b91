"""What the adapter declares is what its limits say and what the loopback server enforces."""

from platforms.blocks import plain
from platforms.telegram import limits
from platforms.telegram.client import TelegramAdapter
from tests.wire.telegram import media, methods, rules, updates


def test_limits_are_those_of_the_server() -> None:
    """A number that changes on one side only is a mistake on the other."""
    assert limits.TEXT_MAX == rules.TEXT_MAX
    assert limits.CAPTION_MAX == rules.CAPTION_MAX
    assert limits.BUTTONS_MAX == rules.BUTTONS_MAX
    assert limits.BUTTONS_PER_ROW <= limits.BUTTONS_PER_ROW_MAX == rules.BUTTONS_PER_ROW
    assert limits.CALLBACK_DATA_MAX == rules.CALLBACK_DATA_MAX
    assert limits.CALLBACK_ANSWER_MAX == rules.CALLBACK_ANSWER_MAX
    assert limits.PLACEHOLDER_MAX == rules.PLACEHOLDER_MAX
    assert limits.ENTITIES_MAX < rules.ENTITIES_MAX
    assert limits.UPLOAD_MAX_BYTES == media.UPLOAD_MAX
    assert limits.PHOTO_MAX_BYTES == media.PHOTO_MAX
    assert limits.PHOTO_SIDES_MAX == media.PHOTO_SIDES
    assert limits.PHOTO_RATIO_MAX == media.PHOTO_RATIO
    assert limits.PRESS_LIFE_S == methods.PRESS_LIFE_S
    assert updates.Updates().longest_poll_s == limits.POLL_TIMEOUT_S


def test_edit_intervals_keep_the_documented_rates() -> None:
    """One message a second in a chat and twenty a minute in a group, with a margin."""
    rates = methods.Rates()
    assert rates.chat_per_s > 1 / limits.EDIT_INTERVAL_S
    assert rates.group_per_min > 60 / limits.EDIT_INTERVAL_GROUP_S


def test_capabilities_are_those_of_the_limits() -> None:
    """Delivery and rendering read nothing else about Telegram."""
    adapter = TelegramAdapter(token="1:x")
    assert adapter.capabilities.text_max == limits.TEXT_MAX
    assert (adapter.capabilities.form, adapter.capabilities.menu_options) == ("reply", 0)
    assert adapter.capabilities.form_field_max == limits.TEXT_MAX
    assert adapter.capabilities.private == "on_press"
    assert adapter.capabilities.private_max == limits.CALLBACK_ANSWER_MAX
    assert not adapter.capabilities.confirm
    assert adapter.capabilities.rows * adapter.capabilities.buttons_per_row == limits.BUTTONS_MAX
    assert adapter.fits(plain("x" * limits.PART_SOFT))
    assert not adapter.fits(plain("x" * (limits.PART_SOFT + 1)))
