"""What the terminal can do. The limits are ours, so every number here is a choice."""

import math

from platforms.base import Capabilities

LINE_MAX_BYTES = 32 << 20
"""One line on the socket; text of 1 MiB and files of SENT_MAX_BYTES fit, whatever is in them."""

WORDS_MAX_BYTES = 4 << 20
"""The same line without what its files hold."""

SENT_MAX_BYTES = 20 << 20
"""All files of one message that somebody sends."""

SENT_FILES_MAX = 8
"""Files of one message that somebody sends."""

TEXT_MAX = 1_000_000
"""Code points of visible text in one message of ours."""

PUSHES_PER_S = 10
"""States of a growing answer that are worth sending: faster than the eye follows."""

WORKING_LIFE_S = 6.0
"""How long a sign of life stands when nobody renews it."""

KEPT_MESSAGES = 64
"""Messages of one chat kept for a terminal that is closed; older ones go."""

RECALLED_MAX = 50
"""Messages from before a restart that a terminal is shown when it opens; older ones are not."""

NOTE_EVERY_S = 0.5
"""How often at most it is noted how far a chat was shown."""

NOTE_AGAIN_MAX_S = 30.0
"""The longest wait before it is noted again, while something is still on its way to the chat."""

KEPT_CHATS = 100
"""Chats kept in memory that nobody looks at; the least recently changed go first."""

FILES_MAX_BYTES = 32 << 20
"""All files kept in memory together; the oldest go first, their messages stay."""

REPLIES_MAX = 64
"""Answers to lines of one terminal that wait to be written; beyond, its next line is not read."""

CONNECTIONS_MAX = 32
"""Open terminals in all."""

WRITE_TIMEOUT_S = 30.0
"""A terminal that takes nothing for this long is disconnected; what it missed is kept."""

NOTICE_MAX = 2_000
"""Code points of a private word to who pressed; what is longer is a message."""

CAPABILITIES = Capabilities(
    code=False,
    text_max=TEXT_MAX,
    part_soft=TEXT_MAX // 2,
    text_unit="code_point",
    parts_max=8,
    buttons_per_row=4,
    rows=10,
    edit=True,
    delete=True,
    react=False,
    private="any",
    threads=None,
    typing_refresh_s=WORKING_LIFE_S / 3,
    nonce_life_s=math.inf,
    upload_max_bytes=2 << 20,
    stream="push",
    edit_interval_s=1 / PUSHES_PER_S,
    edit_interval_group_s=1 / PUSHES_PER_S,
    form=None,
    menu_options=0,
    private_max=NOTICE_MAX,
)
