"""Discord's limits, each with its unit and source, and what they make of us.

Source, unless another is named: Discord's documentation repository (discord-api-docs), 2026.
"""

from platforms.base import Capabilities
from platforms.pacing import Budget, Kind

TEXT_MAX = 2_000
"""Characters of a message. Source: "Create Message", `content`."""

PART_SOFT = 1_950
"""UTF-16 code units at which we split: never more characters than that, with a margin."""

PARTS_MAX = 5
"""Our choice: beyond it an answer becomes a file."""

BUTTONS_PER_ROW = 5
ROWS = 5
"""Buttons of an action row, action rows of a message. Source: "Component Reference"."""

LABEL_MAX = 80
"""Characters of a button's label. Source: "Button"."""

CUSTOM_ID_MAX = 100
"""Characters of a button's `custom_id`, at least 1. Source: "Custom ID"."""

PAYLOAD_MAX = 64
"""Bytes of ASCII that our own buttons carry."""

MENU_OPTIONS_MAX = 25
MENU_LABEL_MAX = 150
OPTION_LABEL_MAX = 100
"""Options of a menu, characters of its placeholder and of an option's label.

Source: "String Select".
"""

FORM_TITLE_MAX = 45
FIELDS_MAX = 5
"""Characters of a form's title, fields of a form. Source: "Modal" of the response object."""

FIELD_LABEL_MAX = 45
FIELD_MAX = 4_000
"""Characters of a field's label and of its text. Source: "Label", "Text Input"."""

PRIVATE_MAX = 1_900
"""Characters of words for one person: a message like others, with room for its escapes."""

NONCE_MAX = 25
"""Characters of a nonce. Source: "Create Message", `nonce`."""

EDIT_INTERVAL_S = 1.2
"""Our choice: five requests in five seconds are let through, posts of the same chat among them."""

TYPING_LIFE_S = 10.0
"""Seconds the typing sign shows. Source: "Trigger Typing Indicator"."""

TYPING_REFRESH_S = 8.0
"""How often we renew it."""

UPLOAD_MAX_BYTES = 10 * 1024 * 1024
"""Bytes of a file in a place without boosts. Source: "Uploading Files"."""

COMMANDS_MAX = 100
COMMAND_NAME_MAX = 32
COMMAND_TEXT_MAX = 100
"""Commands of an application, characters of a name and of a description.

Source: "Application Commands".
"""

LOCALES = frozenset({
    "id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl", "no",
    "pl", "pt-BR", "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th",
    "zh-CN", "ja", "zh-TW", "ko",
})  # fmt: skip
"""Languages of clients. Source: "Locales"."""

PRESS_LIFE_S = 15 * 60.0
"""Seconds an interaction's token lives. Source: "Receiving and Responding to Interactions"."""

FIRST_ANSWER_S = 3.0
"""Seconds in which an interaction wants its first answer. Source: the same page."""

FORM_WAIT_S = 2.5
"""Of those, how long a form is waited for: our choice, the rest is for the way there and back."""

ROLES_S = 5.0
"""Our choice: how long a look-up of a member may take, for someone waits for what a press does."""

IDENTIFIES_LEFT_MIN = 10
"""Of 1,000 sessions a day: below this we wait, for the token is reset when they are used up.

Source: "Session Start Limit Object".
"""

SHARDS_MAX = 64
"""Our choice: connections of one process, each for at most 2,500 guilds."""

IDENTIFY_WAIT_S = 5.0
"""Seconds between two IDENTIFY of a bot. Source: "Rate Limiting" of the gateway."""

OLD_MESSAGE_S = 3_600.0
"""Seconds after which edits of a message are rationed. Source: error code 30046."""

EDGE_BAN_S = 600.0
"""Seconds of silence after a 429 of the edge. Source: "Invalid Request Limit"."""

REFUSALS_MAX = 1_000
REFUSALS_WINDOW_S = 600.0
"""Invalid requests (401, 403, 429) within these seconds after which we pause.

Of 10,000 that ban an address. Source: "Invalid Request Limit".
"""

NONCE_LIFE_S = 120.0
"""How long we trust Discord to know a nonce; documented as "past few minutes"."""

THREAD_NAME_MAX = 100
"""Characters of a thread's name. Source: "Start Thread from Message"."""

HISTORY_PAGE = 100
"""Messages of one call. Source: "Get Channel Messages", `limit`."""

TABLE_WIDTH = 60
"""Columns of a code block that a narrow window shows; our measure."""

_POSTS: frozenset[Kind] = frozenset({"post", "upload"})
_EDITS: frozenset[Kind] = frozenset({"edit", "delete"})

BUDGETS = (
    # Five posts and, apart from them, five edits in five seconds of one channel.
    Budget(kinds=_POSTS, per="chat", rate_per_s=0.55, burst=2),
    Budget(kinds=_EDITS, per="chat", rate_per_s=0.75, burst=1),
    # Fifty requests a second over all.
    Budget(kinds=_POSTS | _EDITS | {"typing", "react"}, per="account", rate_per_s=40, burst=5),
)
"""Below what the headers of one route usually allow. Source: "Rate Limits", "Global Rate Limit"."""

CAPABILITIES = Capabilities(
    text_max=TEXT_MAX,
    part_soft=PART_SOFT,
    text_unit="utf16",
    parts_max=PARTS_MAX,
    buttons_per_row=BUTTONS_PER_ROW,
    rows=ROWS,
    edit=True,
    delete=True,
    react=True,
    private="on_press",
    threads="join",
    typing_refresh_s=TYPING_REFRESH_S,
    nonce_life_s=NONCE_LIFE_S,
    upload_max_bytes=UPLOAD_MAX_BYTES,
    stream="edit",
    edit_interval_s=EDIT_INTERVAL_S,
    edit_interval_group_s=EDIT_INTERVAL_S,
    form="modal",
    form_field_max=FIELD_MAX,
    menu_options=MENU_OPTIONS_MAX,
    private_max=PRIVATE_MAX,
    budgets=BUDGETS,
    read_back=True,
)
