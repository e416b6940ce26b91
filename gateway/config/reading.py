"""Pure: how each kind of value in the file is read, and the sentence when it cannot be.

Every reader takes what tomllib made of the value and returns the final value or raises Wrong.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from gateway.config.faults import Wrong
from gateway.config.ids import ChatPattern, UserId, parse_bot, parse_chat, shown
from gateway.config.secret import Secret
from gateway.config.values import Listen, PriceConfig

Value = TypeVar("Value")

TOML_TYPES: Final[Mapping[type, str]] = {
    bool: "true or false",
    int: "a number",
    float: "a decimal number",
    Decimal: "a decimal number",
    str: "text",
    list: "a list",
    dict: "a table",
}


def type_name(value: object) -> str:
    """Name the TOML type of a value in words."""
    return TOML_TYPES.get(type(value), "a date or time")


def text(value: object) -> str:
    """Take non-empty text."""
    if not isinstance(value, str):
        raise Wrong(f"must be text, not {type_name(value)}", "put the value in quotes")
    if not value.strip():
        raise Wrong("is empty", "give a value or remove the key")
    return value


def secret(value: object, read_file: Callable[[str], str]) -> Secret:
    """Take a secret as text or as `{ file = "path" }`; `read_file` raises Wrong when it cannot."""
    if isinstance(value, dict):
        name = value.get("file")
        if set(value) != {"file"} or not isinstance(name, str) or not name:
            raise Wrong("is a table of another form", 'write { file = "path" }')
        found = read_file(name)
    elif isinstance(value, str):
        found = value
    elif isinstance(value, list):
        raise Wrong("must be one value, not a list", "keep one")
    else:
        raise Wrong(f"must be text, not {type_name(value)}", "put the value in quotes")
    if not found.strip():
        raise Wrong("is empty", 'give the value, ${NAME} or { file = "path" }, or remove the key')
    if found.endswith("..."):
        raise Wrong("is still the placeholder of the example", "put the real value in its place")
    if not re.fullmatch(r"[!-~]+", found):
        raise Wrong(
            "holds a space, a line break or a letter outside ASCII",
            "copy it again: no token has any of them",
        )
    return Secret(found)


def secrets(values: list[object], read_file: Callable[[str], str]) -> tuple[Secret, ...]:
    """Take several secrets, no two alike."""
    if not values:
        raise Wrong("is an empty list", "give one value or several")
    found = []
    for index, value in enumerate(values):
        try:
            found.append(secret(value, read_file))
        except Wrong as wrong:
            raise Wrong(wrong.problem, wrong.fix, at=(index,)) from wrong
        if found[-1] in found[:-1]:
            raise Wrong("stands there twice", "take one of them out", at=(index,))
    return tuple(found)


def base_url(value: object, *, slash: bool = False) -> str:
    """Take an http(s) root without query; it ends with a slash only if `slash` asks for it."""
    url = text(value)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        _ = parts.port  # raises on a port that is no number
    except ValueError:
        usable = False
    # The value is not shown: a token pasted into the wrong key ends up here.
    if not usable or re.search(r"[\s\x00-\x1f]", url):
        raise Wrong("is not an address", "write one that begins with https:// or http://")
    if parts.username or parts.password:
        raise Wrong("carries a user name or password", "take it out; tokens have their own keys")
    if parts.query or parts.fragment:
        raise Wrong("has a part after ? or #", "write the root address alone")
    return url.rstrip("/") + ("/" if slash else "")


def listen(value: object) -> Listen:
    """Take `host:port` or `[ipv6]:port`."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+)):([0-9]{1,5})", text(value))
    if not match or int(match[3]) > 65535:
        raise Wrong(
            f"{shown(text(value))} is not an address and a port",
            'write HOST:PORT, for example "127.0.0.1:8787" or "[::1]:8787"',
        )
    return Listen(host=match[1] or match[2], port=int(match[3]))


def provider_name(value: object) -> str:
    """Take a short lower-case name: it stands in logs, `/model` and credential names."""
    name = text(value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
        raise Wrong(
            f"{shown(name)} cannot be a name",
            "use up to 40 lower-case letters, digits, - and _",
        )
    return name


MOST_DOLLARS: Final = 1_000_000_000
PRICE_KEYS: Final[Mapping[str, str]] = {
    "input": "Dollars per million tokens read.",
    "output": "Dollars per million tokens written.",
    "cached_input": "Dollars per million tokens the provider had kept.",
}


def money(value: object) -> int:
    """Take dollars as a number or text, `1.25` or `"$1.25"`; return exact micro-dollars."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise Wrong(f"must be an amount of dollars, not {type_name(value)}", "write 1.25")
    try:
        amount = Decimal(value.strip().removeprefix("$") if isinstance(value, str) else value)
    except InvalidOperation as exc:
        raise Wrong(f"{shown(str(value))} is no amount of dollars", "write 1.25") from exc
    if not amount.is_finite():
        raise Wrong("must be finite", "write a number")
    if amount < 0:
        raise Wrong(f"is too small: {amount:g}", "write 0 or more")
    if amount > MOST_DOLLARS:
        raise Wrong(f"is too large: {amount:g}", f"write {MOST_DOLLARS} or less")
    if not amount:
        return 0
    _, digits, power = amount.as_tuple()
    number, exponent = int("".join(map(str, digits))), int(power)
    while number % 10 == 0:
        number, exponent = number // 10, exponent + 1
    if exponent < -6:
        raise Wrong("has more than 6 decimals", "write whole millionths of a dollar")
    return int(number * 10 ** (exponent + 6))


def model_price(value: object) -> PriceConfig | str:
    """Take what a model costs, or that a flat fee covers it."""
    if value == "included":
        return "included"
    if not isinstance(value, dict):
        raise Wrong(
            f"must be a table, not {type_name(value)}",
            'write { input = 1.25, output = 10 }, or "included"',
        )
    for name in value:
        if name not in PRICE_KEYS:
            near = closest(name, PRICE_KEYS)
            fix = f'did you mean "{near}"?' if near else f"known here: {', '.join(PRICE_KEYS)}"
            raise Wrong("unknown key", fix, at=(name,))
    for name in ("input", "output"):
        if name not in value:
            raise Wrong(f"has no {name}", f"add {name}, in dollars per million tokens")
    return PriceConfig(**{name: _below(money, amount, name) for name, amount in value.items()})


def tool_prices(value: object) -> tuple[int | None, Mapping[str, int]]:
    """Take what a call costs: one price for every tool, or prices by tool."""
    if isinstance(value, dict):
        return None, {name: _below(money, amount, name) for name, amount in value.items()}
    return money(value), {}


def _below(read: Callable[[object], Value], value: object, key: str) -> Value:
    try:
        return read(value)
    except Wrong as wrong:
        raise Wrong(wrong.problem, wrong.fix, at=(key, *wrong.at)) from wrong


def account(value: object) -> str:
    """Take the name of an account that pays: plain letters, so that no two look alike."""
    name = text(value)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}", name):
        raise Wrong(
            f"{shown(name)} cannot be an account", "use plain letters, digits, '.', '-' and '_'"
        )
    return name


def variable(value: object) -> str:
    """Take the name of an environment variable."""
    name = text(value)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", name):
        raise Wrong(
            f"{shown(name)} cannot be a variable", "use letters, digits and _, no digit first"
        )
    return name


def bots(value: object) -> str | tuple[UserId, ...]:
    """Take "none", "listed", or the ids of bots."""
    if isinstance(value, list):
        return tuple(parse_bot(text(each)) for each in value)
    said = text(value)
    if said not in ("none", "listed"):
        raise Wrong(
            f"{shown(said)} is not one of its values",
            'write "none", "listed", or a list of ids such as ["discord:42"]',
        )
    return said


_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
IDLE_MIN_S, IDLE_MAX_S = 60, 366 * 86_400


def idle_reset(value: object) -> int | None:
    """Take "off" or a duration, in seconds."""
    said = text(value)
    if said == "off":
        return None
    found = re.fullmatch(r"(\d{1,6}) ?([smhd])", said, re.ASCII)
    if found is None:
        raise Wrong(f"{shown(said)} is no duration", 'write "off", or one such as "4h" or "2d"')
    seconds = int(found[1]) * _SECONDS[found[2]]
    if not IDLE_MIN_S <= seconds <= IDLE_MAX_S:
        raise Wrong(f"{shown(said)} is out of bounds", "write a minute to a year")
    return seconds


def secret_line(value: object) -> Secret:
    """Take one line that may be secret, blanks and all."""
    line = text(value)
    if not line.isprintable():
        raise Wrong("holds a line break or a control character", "write one line")
    return Secret(line)


def exact_chat(value: str) -> ChatPattern:
    """Take one chat; a `*` form names many."""
    chat = parse_chat(value)
    if chat.star:
        raise Wrong(f"{shown(value)} names many chats", "write the id of one")
    return chat


def webhook_secret_text(value: Secret) -> Secret:
    """Hold Telegram's alphabet for the secret of a webhook.

    Source: Bot API, setWebhook, `secret_token`: 1-256 characters of A-Z a-z 0-9 _ -.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", value.reveal()):
        raise Wrong(
            "has a character Telegram does not take",
            "use up to 256 letters, digits, - and _, for example from `openssl rand -hex 32`",
        )
    return value


def language(value: object) -> str:
    """Read an ISO 639-1 code."""
    code = text(value)
    if re.fullmatch("[a-z]{2}", code) is None:
        raise Wrong(f'"{code}" is not a language', "write its two letters, such as de")
    return code


def one_of(
    allowed: Iterable[str], *, later: Mapping[str, str] | None = None
) -> Callable[[object], str]:
    """Return a reader of one of a few words; `later` maps words of later versions to what to do."""
    words = tuple(allowed)
    reasons = later or {}
    choices = " or ".join(f'"{word}"' for word in words)

    def read(value: object) -> str:
        word = text(value)
        if word in words:
            return word
        head = word.split(":", 1)[0]  # "postgresql://user@host/db" is told from its scheme
        near = closest(word, words)
        if fix := reasons.get(head) or (None if near else reasons.get("*")):
            raise Wrong(f"{shown(head)} is not in this version", fix)
        raise Wrong(
            f"{shown(word)} is not one of its values",
            f'did you mean "{near}"?' if near else f"write {choices}",
        )

    return read


def switch(words: Mapping[str, bool]) -> Callable[[object], bool]:
    """Return a reader of true, false or one of `words`."""

    def read(value: object) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value in words:
            return words[value]
        found = shown(value) if isinstance(value, str) else type_name(value)
        raise Wrong(f"must be true or false, not {found}", "write true or false without quotes")

    return read


def timezone(value: object, known: Callable[[str], bool], names: Callable[[], set[str]]) -> str:
    """Take the name of a time zone; `known` and `names` ask the machine's zone table."""
    name = text(value)
    if name == "UTC" or known(name):
        return name
    near = closest(name, names())
    raise Wrong(
        f"{shown(name)} is not a time zone",
        f'did you mean "{near}"?' if near else 'write one such as "UTC" or "Europe/Berlin"',
    )


def integral(value: Decimal) -> int | Decimal:
    """A whole number as one, anything else as it is; `value` is finite."""
    return int(value) if value.adjusted() <= 18 and value == value.to_integral_value() else value


def closest(word: str, words: Iterable[str]) -> str | None:
    """Return the nearest of `words` when it is near enough to be what was meant."""
    by_folded: dict[str, Any] = {candidate.casefold(): candidate for candidate in sorted(words)}
    near = difflib.get_close_matches(word.casefold()[:80], by_folded, n=1, cutoff=0.6)
    return by_folded[near[0]] if near else None
