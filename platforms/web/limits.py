"""What the page can do. The limits are ours, so every number here is a choice."""

import math

from platforms.base import Capabilities

TEXT_MAX = 1_000_000
"""Code points of visible text in one message of ours."""

PUSHES_PER_S = 10
"""States of a growing answer that are worth sending: faster than the eye follows."""

WORKING_LIFE_S = 30.0
"""How long a sign of life stands when nobody renews it."""

PENDING_LIFE_S = 10.0
"""How long a stored message shows as being worked on before the first sign of life."""

LIVE_MESSAGES = 64
"""Messages of one chat kept in memory for live updates; older ones come from the history."""

LIVE_CHATS = 200
"""Chats kept in memory that nobody looks at; the least recently changed go first."""

FILES_MAX_BYTES = 64 << 20
"""All uploads kept in memory together; the oldest go first."""

UPLOAD_FILE_MAX = 20 << 20
"""Bytes of one file that somebody sends."""

UPLOAD_MAX = 40 << 20
"""Bytes of all files of one message."""

UPLOAD_FILES_MAX = 8
"""Files of one message."""

UPLOAD_FIELD_MAX = 4 << 20
"""Bytes of any other field of that form: as much as the longest message has."""

UPLOAD_PARTS_MAX = 64
"""Parts of that form."""

UPLOAD_S = 120.0
"""How long the form may take to arrive."""

UPLOADS_AT_ONCE = 3
"""Such forms that are read at the same time; they are in memory meanwhile."""

HEARTBEAT_S = 15.0
"""A comment on a quiet stream, so that both ends notice a dead connection."""

WRITE_TIMEOUT_S = 30.0
"""A reader that takes nothing for this long is disconnected; it comes back and resumes."""

STREAMS_MAX = 128
"""Open event streams in all."""

FIELD_MAX = 64 * 1024
"""Characters of one field: at four bytes each, sent as `%XX`, they still fit a body of 1 MiB."""

MENU_OPTIONS_MAX = 50
"""Options of one menu; more would be a list to search, not one to choose from."""

NOTICE_MAX = 1_000
"""Characters of words shown for a moment; the longer they are, the longer they stand."""

ANSWER_WITHIN_S = 2.0
"""How long a page without script is held back for the answer to what was just pressed."""

ANSWERS_MAX = 256
"""Such answers kept at once; the oldest go first."""

FORM_LIFE_S = 24 * 3600
"""How long a page's forms are good; with script it renews them by itself."""

CAPABILITIES = Capabilities(
    text_max=TEXT_MAX,
    part_soft=TEXT_MAX // 2,
    text_unit="code_point",
    parts_max=8,
    buttons_per_row=4,
    rows=10,
    edit=True,
    delete=True,
    react=True,
    private="any",
    threads=None,
    typing_refresh_s=WORKING_LIFE_S / 3,
    nonce_life_s=math.inf,
    upload_max_bytes=16 << 20,
    stream="push",
    edit_interval_s=1 / PUSHES_PER_S,
    edit_interval_group_s=1 / PUSHES_PER_S,
    form="page",
    form_field_max=FIELD_MAX,
    menu_options=MENU_OPTIONS_MAX,
    confirm=True,
    private_max=NOTICE_MAX,
)
