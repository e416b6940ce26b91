"""Slack's limits, each with its unit and source, and what they make of us.

Sources: docs.slack.dev, and where it is silent the issues of Slack's own SDKs.
"""

from datetime import timedelta

from platforms.base import Capabilities
from platforms.pacing import Budget

TEXT_MAX = 40_000
"""Characters of a message; longer ones are cut by Slack. Source: chat.postMessage, truncating."""

PART_SOFT = 3_900
"""Where we split; 4,000 is what Slack recommends. Source: chat.postMessage."""

FALLBACK_MAX = 3_900
"""Characters of the text beside blocks: an update refuses more than 4,000 as `msg_too_long`."""

BLOCKS_MAX = 45
"""Of 50 blocks a message, the rest is for buttons. Source: reference/block-kit/blocks."""

JSON_MAX = 12_000
"""Bytes of all blocks together as JSON; about 13,200 is refused. Source: bolt-js issue 2509."""

TABLE_ROWS_MAX = 100
TABLE_COLUMNS_MAX = 20
"""Of a table, its header included; one table a message. Source: table block."""

TABLE_WIDTH = 72
"""Columns of monospace a desktop window shows beside the channel list; our measure."""

INDENT_MAX = 8
"""Levels of a list. Source: rich text list element."""

PARTS_MAX = 5
"""Our choice: beyond it an answer becomes a file."""

BUTTONS_PER_ROW = 5
ROWS_MAX = 5
"""Our choice; an actions block takes 25 elements. Source: actions block."""

LABEL_MAX = 75
"""Characters of a button's label. Source: button element `text`."""

OPTION_LABEL_MAX = 75
"""Characters of a menu's choice; its value takes 150. Source: option object."""

OVERFLOW_OPTIONS = range(2, 6)
"""How many choices an overflow menu may have. Source: overflow menu element."""

MENU_OPTIONS_MAX = 25
"""Our choice; a select takes 100, which with long labels are more than a message's JSON may be.

Source: static select element.
"""

PLACEHOLDER_MAX = 150
"""Characters a select shows before anything is chosen. Source: static select element."""

CONFIRM_TEXT_MAX = 300
CONFIRM_BUTTON_MAX = 30
"""Characters of a question and of its two answers. Source: confirmation dialog object."""

FORM_TITLE_MAX = 24
"""Characters of a modal's title and of its buttons. Source: modal views."""

METADATA_MAX = 3_000
"""Characters of what goes along with a modal. Source: modal views, `private_metadata`."""

QUOTE_MAX = 2_000
QUOTE_SHOWN_MAX = 300
"""Characters of a message that a shortcut quotes: to the model, and above the form."""

FIELD_LABEL_MAX = 2_000
FIELD_MAX = 3_000
"""Characters of an input's label and text. Source: input block, plain-text input element."""

PRIVATE_MAX = 2_900
"""Characters of an answer to a press: of four bytes each they still are under JSON_MAX."""

VALUE_MAX_BYTES = 64
"""Of what our buttons carry: the same on every platform. Slack takes 2,000 characters."""

STATUS_MAX = 100
"""Characters of a sign of life; our choice."""

STATUS_REFRESH_S = 90.0
"""A status goes away after two minutes. Source: assistant.threads.setStatus `status`."""

PROMPTS_MAX = 4
"""Prompts a thread of the assistant view offers. Source: assistant.threads.setSuggestedPrompts."""

TITLE_MAX = 75
"""Characters of the title of such a thread; our choice."""

RESPONSE_URL_LIFE_S = 1_800
"""Five uses within half an hour. Source: handling user interaction."""

SIGNATURE_AGE_MAX_S = 300
"""Older requests may be replays. Source: verifying requests from Slack."""

ACK_LIMIT_S = 2.0
"""Slack waits three seconds, then delivers again. Source: Events API, responding to events."""

PING_INTERVAL_S = 5.0
STALE_S = 20.0
"""Without a frame or pong this long a connection is dead; our choice."""

SECOND_AFTER_S = 30.0
"""Between the start of the first socket and the second, so that no two are refreshed at once."""

RETIRE_S = 10.0
"""How long a socket lives on after Slack announced its end. Source: Socket Mode, disconnecting."""

ONE_SOCKET_S = 300.0
"""How long one socket goes on alone when Slack has no room for two; it takes ten of an app."""

RECOUNT_S = 60.0
"""Between two looks at the number of sockets while somebody else's are among them."""

GHOST_S = 120.0
"""How long Slack may count a connection that broke on our side only; our choice."""

HISTORY_PAGE = 200
"""Messages of one call. Source: conversations.history, which recommends no more."""

BACKFILL_AGE = timedelta(hours=24)
BACKFILL_MESSAGES = 500
"""How far back and how much of one channel or thread is read after a gap."""

BACKFILL_OVERLAP = timedelta(minutes=6)
"""The last try of a delivery comes five minutes after the first. Source: Events API, retries."""

BACKFILL_INTERVAL_S = 1.2
BACKFILL_BURST = 5
"""Two methods, 50 calls a minute each: their tier 3. Source: apis/web-api/rate-limits."""

LOOK_UP_MARGIN = timedelta(seconds=5)
LOOK_UP_MESSAGES = 1_000
"""Where a look-up begins before the first try, for clocks that differ; and how much it reads."""

REQUESTS_MAX = 64
"""Of inbound HTTP, how many at once; our choice."""

EVENTS_AT_ONCE_MAX = 100
EVENTS_AHEAD_MAX = 400
"""Of events that come by sockets, how many are in progress and how many more are read; our choice.

Together they are stored well within Slack's three seconds.
"""

UPLOAD_MAX_BYTES = 50 << 20
"""Our choice; Slack takes 1 GB."""

EDIT_INTERVAL_S = 1.0
"""Our choice for one live answer; the budget of the workspace stretches it for several."""

_PER_MINUTE = 1 / 60

CAPABILITIES = Capabilities(
    text_max=TEXT_MAX,
    part_soft=PART_SOFT,
    text_unit="code_point",
    parts_max=PARTS_MAX,
    buttons_per_row=BUTTONS_PER_ROW,
    rows=ROWS_MAX,
    edit=True,
    delete=True,
    react=True,
    private="any",
    threads="start",
    typing_refresh_s=STATUS_REFRESH_S,
    nonce_life_s=None,
    upload_max_bytes=UPLOAD_MAX_BYTES,
    stream="edit",
    edit_interval_s=EDIT_INTERVAL_S,
    edit_interval_group_s=EDIT_INTERVAL_S,
    form="modal",
    form_field_max=FIELD_MAX,
    menu_options=MENU_OPTIONS_MAX,
    confirm=True,
    private_max=PRIVATE_MAX,
    read_back=True,
    command_mark="!",  # the client takes a slash for itself
    budgets=(
        # One post a second in a channel, hundreds a minute in a workspace.
        Budget(kinds=frozenset({"post", "upload"}), per="chat", rate_per_s=0.85),
        Budget(
            kinds=frozenset({"post", "upload"}),
            per="account",
            rate_per_s=200 * _PER_MINUTE,
            burst=10,
        ),
        # chat.update and chat.delete: tier 3, 50 a minute in a workspace each.
        Budget(kinds=frozenset({"edit"}), per="account", rate_per_s=42 * _PER_MINUTE, burst=4),
        Budget(kinds=frozenset({"delete"}), per="account", rate_per_s=42 * _PER_MINUTE, burst=4),
        # reactions.remove is tier 2, 20 a minute, and each reaction is taken off again.
        Budget(kinds=frozenset({"react"}), per="account", rate_per_s=34 * _PER_MINUTE, burst=3),
    ),
)
"""Source of the rates: docs.slack.dev/apis/web-api/rate-limits, each with a margin of 15 %."""
