"""What Discord refuses, with its own codes and words.

Source: Discord documentation, "Opcodes and Status Codes", "Create Message".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.wire.discord.world import EPHEMERAL, SILENT, SUPPRESS_EMBEDS, Json, UploadedFile

CONTENT_MAX = 2_000
NONCE_MAX = 25
FILE_MAX = 10 * 1024 * 1024
REQUEST_MAX = 25 * 1024 * 1024
FILES_MAX = 10
COMMANDS_MAX = 100
COMMAND_NAME_MAX = 32
COMMAND_TEXT_MAX = 100
LOCALES = frozenset({
    "id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl", "no",
    "pl", "pt-BR", "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th",
    "zh-CN", "ja", "zh-TW", "ko",
})  # fmt: skip
"""Languages of clients. Source: "Locales"."""
THREAD_NAME_MAX = 100

_FLAGS_ALLOWED = SUPPRESS_EMBEDS | EPHEMERAL | SILENT


@dataclass(frozen=True, slots=True)
class Refusal:
    """HTTP status, Discord's code, its words, per-field errors and extra headers."""

    status: int
    code: int
    message: str
    errors: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Json = field(default_factory=dict)

    def body(self) -> Json:
        body: Json = {"message": self.message, "code": self.code, **self.extra}
        if self.errors is not None:
            body["errors"] = self.errors
        return body


class ApiError(Exception):
    """A request that Discord refuses."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


UNAUTHORIZED = Refusal(401, 0, "401: Unauthorized")
UNKNOWN_APPLICATION = Refusal(404, 10002, "Unknown Application")
UNKNOWN_CHANNEL = Refusal(404, 10003, "Unknown Channel")
UNKNOWN_GUILD = Refusal(404, 10004, "Unknown Guild")
UNKNOWN_MEMBER = Refusal(404, 10007, "Unknown Member")
UNKNOWN_MESSAGE = Refusal(404, 10008, "Unknown Message")
UNKNOWN_USER = Refusal(404, 10013, "Unknown User")
UNKNOWN_WEBHOOK = Refusal(404, 10015, "Unknown Webhook")
UNKNOWN_INTERACTION = Refusal(404, 10062, "Unknown interaction")
SLOWMODE = Refusal(429, 20016, "This action cannot be performed due to slowmode rate limit")
TOO_MANY_REACTIONS = Refusal(400, 30010, "Maximum number of reactions reached (20)")
TOO_MANY_COMMANDS = Refusal(400, 30032, "Maximum number of application commands reached (100)")
TOO_LARGE = Refusal(413, 40005, "Request entity too large")
ALREADY_ACKNOWLEDGED = Refusal(400, 40060, "Interaction has already been acknowledged.")
MISSING_ACCESS = Refusal(403, 50001, "Missing Access")
NOT_YOUR_MESSAGE = Refusal(403, 50005, "Cannot edit a message authored by another user")
EMPTY_MESSAGE = Refusal(400, 50006, "Cannot send an empty message")
CANNOT_DM = Refusal(403, 50007, "Cannot send messages to this user")
MISSING_PERMISSIONS = Refusal(403, 50013, "Missing Permissions")
WRONG_CHANNEL_TYPE = Refusal(400, 50024, "Cannot execute action on this channel type")
NO_TEXT_CHANNEL = Refusal(400, 50008, "Cannot send messages in a non-text channel")
INVALID_WEBHOOK_TOKEN = Refusal(401, 50027, "Invalid Webhook Token")
THREAD_ARCHIVED = Refusal(400, 50083, "Thread is archived")
BAD_JSON = Refusal(400, 50109, "The request body contains invalid JSON.")
THREAD_EXISTS = Refusal(400, 160004, "A thread has already been created for this message")
THREAD_LOCKED = Refusal(403, 160005, "Thread is locked")
OLD_MESSAGE_EDITS = Refusal(
    429,
    30046,
    "Maximum number of edits to messages older than 1 hour reached. Try again later.",
    headers={"Via": "1.1 google", "Retry-After": "60"},
    extra={"retry_after": 60.0, "global": False},
)


def invalid(path: str, code: str, message: str) -> ApiError:
    """A 50035 for one field, `path` with dots; the shape Discord gives form errors."""
    errors: Json = {"_errors": [{"code": code, "message": message}]}
    for part in reversed(path.split(".")):
        errors = {part: errors}
    return ApiError(Refusal(400, 50035, "Invalid Form Body", errors))


def too_long(path: str, most: int) -> ApiError:
    """A 50035 for a text of more characters than fit."""
    return invalid(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")


def snowflake(text: object, path: str) -> int:
    """Reads an id out of a path, query or body."""
    if isinstance(text, int) or (isinstance(text, str) and text.isdecimal()):
        return int(text)
    raise invalid(path, "NUMBER_TYPE_COERCE", f'Value "{text}" is not snowflake.')


def check_content(content: object) -> str:
    """The text as Discord keeps it: white space around it is cut off."""
    if content is None:
        return ""
    if not isinstance(content, str):
        raise invalid("content", "STRING_TYPE_CONVERT", "Could not interpret as string.")
    if len(content) > CONTENT_MAX:
        raise too_long("content", CONTENT_MAX)
    return content.strip()


def check_nonce(nonce: object) -> str | int | None:
    if nonce is None or isinstance(nonce, int):
        return nonce
    if not isinstance(nonce, str):
        raise invalid("nonce", "NONCE_TYPE_INVALID", "Nonce must be a string or an integer.")
    if len(nonce) > NONCE_MAX:
        raise too_long("nonce", NONCE_MAX)
    return nonce


def check_flags(flags: object) -> int:
    if flags is None:
        return 0
    if not isinstance(flags, int) or flags & ~_FLAGS_ALLOWED:
        raise invalid("flags", "INVALID_FLAGS", f"flags not allowed here: {flags}")
    return flags


def check_allowed_mentions(allowed: object) -> Mapping[str, Any] | None:
    if allowed is None:
        return None
    if not isinstance(allowed, dict):
        raise invalid("allowed_mentions", "DICT_TYPE_CONVERT", "Only dictionaries may be used.")
    parse = allowed.get("parse") or []
    for kind in ("users", "roles"):
        listed = allowed.get(kind) or []
        if kind in parse and listed:
            raise invalid(
                f"allowed_mentions.{kind}",
                "MUTUALLY_EXCLUSIVE",
                f"parse:['{kind}'] and {kind}: [ids...] are mutually exclusive.",
            )
        if len(listed) > 100:
            raise invalid(f"allowed_mentions.{kind}", "BASE_TYPE_MAX_LENGTH", "Max 100 ids.")
    if unknown := set(parse) - {"users", "roles", "everyone"}:
        raise invalid("allowed_mentions.parse", "BASE_TYPE_CHOICES", f"unknown: {unknown}")
    return allowed


def check_files(files: tuple[UploadedFile, ...], request_bytes: int) -> None:
    if request_bytes > REQUEST_MAX or any(len(file.data) > FILE_MAX for file in files):
        raise ApiError(TOO_LARGE)
    if len(files) > FILES_MAX:
        raise invalid("attachments", "BASE_TYPE_MAX_LENGTH", f"Max {FILES_MAX} files.")


def check_commands(commands: object) -> list[Json]:
    """A bulk overwrite of application commands."""
    if not isinstance(commands, list):
        raise invalid("commands", "LIST_TYPE_CONVERT", "Only iterables may be used.")
    if len(commands) > COMMANDS_MAX:
        raise ApiError(TOO_MANY_COMMANDS)
    names: set[str] = set()
    for number, command in enumerate(commands):
        name = command.get("name") or ""
        if not 1 <= len(name) <= COMMAND_NAME_MAX or name != name.lower():
            raise invalid(f"{number}.name", "APPLICATION_COMMAND_INVALID_NAME", "Command name bad")
        if name in names:
            raise invalid(
                f"{number}.name", "APPLICATION_COMMANDS_DUPLICATE_NAME", "names must be unique"
            )
        names.add(name)
        _check_text(command, str(number), required=command.get("type", 1) == 1)
        for place, option in enumerate(command.get("options") or ()):
            _check_text(option, f"{number}.options.{place}", required=True)
    return commands


def _check_text(thing: Json, path: str, *, required: bool) -> None:
    text = thing.get("description") or ""
    if (required and not text) or len(text) > COMMAND_TEXT_MAX:
        raise invalid(f"{path}.description", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100.")
    for locale, words in (thing.get("description_localizations") or {}).items():
        place = f"{path}.description_localizations.{locale}"
        if locale not in LOCALES:
            raise invalid(place, "BASE_TYPE_CHOICES", "Value must be one of the known locales.")
        if not 1 <= len(words) <= COMMAND_TEXT_MAX:
            raise invalid(place, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100.")
