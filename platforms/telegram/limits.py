"""Telegram's limits, each with its unit and source, and what they make of us.

Sources: core.telegram.org/bots/api (Bot API 10.0), core.telegram.org/bots/faq, and the
open-source Bot API server where the manual is silent.
"""

from platforms.base import Capabilities
from platforms.pacing import Budget, Kind

TEXT_MAX = 4_096
"""UTF-16 code units of a message after entities. Source: sendMessage `text`."""

PART_SOFT = 4_000
"""Where we split: a margin below the limit."""

CAPTION_MAX = 1_024
"""UTF-16 code units of a caption after entities. Source: sendDocument `caption`."""

ENTITIES_MAX = 90
"""Of 100 that the server keeps; what is over is dropped in silence. Source: limits of MTProto."""

PARTS_MAX = 5
"""Our choice: beyond it an answer becomes a file."""

BUTTONS_PER_ROW = 2
"""Our choice: more are cut off on a phone."""

BUTTONS_PER_ROW_MAX = 8
"""Buttons of one row. Source: Bot API server."""

BUTTONS_MAX = 100
"""Buttons of one inline keyboard. Source: Bot API server."""

CALLBACK_DATA_MAX = 64
"""Bytes of `callback_data`, at least 1. Source: InlineKeyboardButton."""

CALLBACK_ANSWER_MAX = 200
"""UTF-16 code units of a press's answer. Source: answerCallbackQuery `text`."""

PLACEHOLDER_MAX = 64
"""UTF-16 code units of the hint in an input field, at least 1. Source: ForceReply."""

PRESS_LIFE_S = 150.0
"""Seconds a press can be answered. Source: Bot API server, expiry of queued callback queries."""

TYPING_LIFE_S = 5.0
"""Seconds a chat action shows. Source: sendChatAction."""

TYPING_REFRESH_S = 4.0
"""How often we renew it."""

DOWNLOAD_MAX = 20 * 1024 * 1024
"""Bytes of a file that a bot may fetch. Source: core.telegram.org/bots/api#getfile."""

UPLOAD_MAX_BYTES = 50 * 1024 * 1024
"""Source: core.telegram.org/bots/api#sending-files."""

PHOTO_MAX_BYTES = 10 * 1024 * 1024
"""What is larger is no photo. Source: sendPhoto `photo`."""

PHOTO_SIDES_MAX = 10_000
"""Pixels of width and height together. Source: sendPhoto `photo`."""

PHOTO_RATIO_MAX = 20
"""Of the longer side to the shorter. Source: sendPhoto `photo`."""

EDIT_INTERVAL_S = 1.2
"""One message a second in a chat, edits included, with a margin. Source: bots FAQ."""

EDIT_INTERVAL_GROUP_S = 3.5
"""Twenty messages a minute in a group over all its topics, with a margin. Source: bots FAQ."""

COMMANDS_MAX = 100
"""Commands of a bot; a description takes 1 to 256 characters. Source: setMyCommands."""

COMMAND_SUMMARY_MAX = 256

POLL_TIMEOUT_S = 50
"""Longest long poll. Source: Bot API server, LONG_POLL_MAX_TIMEOUT."""

POLL_BATCH = 100
"""Updates of one poll. Source: getUpdates `limit`."""

UPDATE_ID_MAX = 2_000_000_000
"""Highest update id. Source: Bot API server, largest id of its queue."""

QUEUE_LIFE_S = 24 * 3600.0
"""How long updates wait for us. Source: getUpdates, "not kept longer than 24 hours"."""

DEAF_AFTER_S = 120.0
"""Without a completed poll for so long the connection is given up; our choice."""

PROBE_EVERY_S = 60.0
"""How often we ask what waits or where updates are pushed to; our choice."""

GAP_SHORTEST_S = 60.0
"""An outage up to here is not told: a long poll alone takes nearly as long."""

TABLE_WIDTH = 42
"""Columns of monospace a phone shows without scrolling; our measure."""

_MESSAGES: frozenset[Kind] = frozenset({"post", "edit", "upload", "delete"})

BUDGETS = (
    # One message a second in a chat, short bursts allowed; edits count with the posts.
    Budget(kinds=_MESSAGES, per="chat", rate_per_s=0.85, burst=2),
    # Twenty a minute in a group, all its topics together.
    Budget(kinds=_MESSAGES, per="group", rate_per_s=17 / 60, burst=2),
    # About thirty a second over all chats.
    Budget(kinds=_MESSAGES | {"typing", "react"}, per="account", rate_per_s=25, burst=5),
)
"""Below the documented rates by a margin. Source: core.telegram.org/bots/faq, "Broadcasting"."""

CAPABILITIES = Capabilities(
    text_max=TEXT_MAX,
    part_soft=PART_SOFT,
    text_unit="utf16",
    parts_max=PARTS_MAX,
    buttons_per_row=BUTTONS_PER_ROW,
    rows=BUTTONS_MAX // BUTTONS_PER_ROW,
    edit=True,
    delete=True,
    react=True,
    private="on_press",
    threads="join",
    typing_refresh_s=TYPING_REFRESH_S,
    nonce_life_s=None,
    upload_max_bytes=UPLOAD_MAX_BYTES,
    stream="edit",
    edit_interval_s=EDIT_INTERVAL_S,
    edit_interval_group_s=EDIT_INTERVAL_GROUP_S,
    form="reply",
    form_field_max=TEXT_MAX,
    menu_options=0,
    private_max=CALLBACK_ANSWER_MAX,
    budgets=BUDGETS,
    group_ids="-",
)
