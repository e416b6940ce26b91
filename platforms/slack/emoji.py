"""Slack's names for the emoji we react with. Source: the `short_names` of Slack's own emoji set."""

from collections.abc import Mapping
from types import MappingProxyType

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "👀": "eyes",
        "✅": "white_check_mark",
        "❌": "x",
        "👍": "+1",
        "👎": "-1",
        "🎉": "tada",
        "🙏": "pray",
        "⏳": "hourglass_flowing_sand",
        "⌛": "hourglass",
        "🛑": "octagonal_sign",
        "⚠": "warning",
        "❗": "exclamation",
        "❓": "question",
        "🤔": "thinking_face",
        "🔥": "fire",
        "❤": "heart",
        "🚀": "rocket",
        "✍": "writing_hand",
    }
)


def emoji_name(emoji: str) -> str | None:
    """The name of an emoji, whatever its presentation; None if we have none for it."""
    return NAMES.get(emoji.replace("\ufe0f", ""))
