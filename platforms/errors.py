"""How an operation on a platform can fail. A class exists because callers act differently on it.

Messages are for operators: no token, no secret URL, no message text.
"""

from platforms.events import ChatRef


class PlatformError(Exception):
    """Base of everything an adapter raises."""


class PlatformUnavailable(PlatformError):
    """Certainly not sent (no connection was made, or the body never arrived): retry."""


class SendUncertain(PlatformError):
    """The effect may or may not stand: settle it by the platform's means, never blindly again."""


class RateLimited(PlatformError):
    """Wait `retry_after_s` for `scope`: "chat", "method" or "account"."""

    def __init__(self, message: str, *, retry_after_s: float, scope: str) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.scope = scope


class CredentialsRejected(PlatformError):
    """The token, secret or app set-up is refused: stop this adapter and tell the operator."""


class RightsMissing(CredentialsRejected):
    """A named right is missing; the message says which and where to grant it."""


class MessageRejected(PlatformError):
    """The platform will never take this payload: give up on it."""


class TooLong(MessageRejected):
    """Over a length limit: split again."""


class MarkupRejected(MessageRejected):
    """The markup was refused: send the same words as plain text, once."""


class PictureRejected(MessageRejected):
    """The file is not taken as a picture: send it as a file, once."""


class FileUnavailable(PlatformError):
    """A file somebody sent can't be had; `reason`: gone, too_large, no_rights or no_file."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class MessageGone(MessageRejected):
    """The message to edit is no longer there or can't be edited: post anew."""


class PressExpired(MessageRejected):
    """The press can no longer be answered: drop."""


class ChatUnavailable(PlatformError):
    """The chat is dead for us; `reason`: blocked, kicked, archived, not_found or no_rights.

    `remedy` is what a person can do about it, click by click, where the platform's page is known.
    """

    def __init__(self, message: str, *, reason: str, remedy: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.remedy = remedy


class ThreadGone(PlatformError):
    """The thread is closed or deleted: the chat's root, once."""


class ChatMoved(PlatformError):
    """The chat has a new id: address `to` from now on."""

    def __init__(self, message: str, *, to: ChatRef) -> None:
        super().__init__(message)
        self.to = to
