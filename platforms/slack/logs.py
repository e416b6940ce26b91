"""The SDK's log lines, without what they must not show.

It prints addresses with tickets, request bodies at INFO and tracebacks that hold both. Bolt copies
level and filters of the logger it is given to its own.
"""

import logging
import re

_SECRETS = re.compile(
    r"xox[a-z]-[\w-]+|xapp-[\w-]+|(?<=ticket=)[^&\s'\"]+|https?://hooks\.slack\.com/[^\s'\"]+"
)


class _Redacting(logging.Filter):
    """Takes secrets out, and tracebacks but for the name of what was raised."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if record.exc_info is not None and record.exc_info[0] is not None:
            text = f"{text} [{record.exc_info[0].__name__}]"
        record.msg = redact(text)
        record.args = None
        record.exc_info = record.exc_text = record.stack_info = None
        return True


def redact(text: str) -> str:
    """One line without tokens, tickets and response addresses."""
    return _SECRETS.sub("(redacted)", text.replace("\n", " "))[:500]


SDK_LOG = logging.getLogger("platforms.slack.sdk")
# Said outright: the SDK compares the level itself, and one that is not set counts as DEBUG.
SDK_LOG.setLevel(logging.WARNING)
SDK_LOG.addFilter(_Redacting())
