"""Pure: what a button carries. 39 characters of fixed places; a filter, the row is the authority.

    version 1 | id of request or card 22 | rev 3 | decision 1 | option 1 | MAC 11

The MAC is 8 bytes of HMAC-SHA256 over these characters, the account and the chat, so a token from
elsewhere, or one with a single bit changed, is nothing. Text is compared, not what it decodes to:
the last character of a MAC has bits to spare.
"""

import hmac
import re
import string
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from platforms.content import FORM_MARK

TOKEN_LENGTH = 39
ID_LENGTH = 22
REV_MAX = 64**3 - 1
OPTION_MAX = 63

_DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
_VERSION = "a"
_SHAPE = re.compile(rf"[{_VERSION}{FORM_MARK}][A-Za-z0-9_-]{{38}}", re.ASCII)
_ID_SHAPE = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
_BODY_LENGTH = 28
_MAC_BYTES = 8
_DOMAIN = b"gatepost button 1"


class Decision(Enum):
    """What a press asks for; the value is its character and never changes its meaning.

    The option says which: the item of a batch from 1 on (0 is the whole card), the payer, the
    answer, the amount, the page.
    """

    APPROVE = "a"
    APPROVE_ALL = "A"
    CONFIRM = "c"  # an approval whose second question was answered
    CONFIRM_ALL = "C"
    DENY = "d"
    DENY_ALL = "D"
    DENY_REASON = "r"  # a form
    STOP = "s"  # deny all that is open in the turn and end it
    SHOW = "w"
    ONE_BY_ONE = "o"
    ITEM = "i"
    PAGE = "p"
    MORE = "m"
    BACK = "b"
    GRANT = "g"
    GRANT_ALL = "G"  # for everybody in the chat, not the requester alone
    GRANT_CONFIRM = "h"
    GRANT_ALL_CONFIRM = "H"
    EDIT = "e"  # a form
    PAYER = "y"
    ANSWER = "n"  # a form
    OPTION = "q"
    RAISE = "x"
    CEILING = "l"  # a form
    EVIDENCE = "v"
    DONE = "k"
    AGAIN = "j"
    SKIP = "z"

    @property
    def opens_form(self) -> bool:
        """Whether a press is answered by a form, whose submission is the decision."""
        return self in _FORMS


_FORMS = frozenset({Decision.DENY_REASON, Decision.EDIT, Decision.ANSWER, Decision.CEILING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a button says once its MAC holds: which row, as of which rev, and what to do."""

    id: str
    rev: int
    decision: Decision
    option: int = 0


def seal(token: Token, *, key: bytes, account: str, chat: str) -> str:
    """The payload of a button in this chat. Raises ValueError for what has no place in one."""
    if _ID_SHAPE.fullmatch(token.id) is None:
        raise ValueError("an id has 22 characters of base64url")
    if not (0 <= token.rev <= REV_MAX and 0 <= token.option <= OPTION_MAX):
        raise ValueError("a rev or option that a button cannot carry")
    version = FORM_MARK if token.decision.opens_form else _VERSION
    rev = "".join(_DIGITS[token.rev >> shift & 63] for shift in (12, 6, 0))
    body = version + token.id + rev + token.decision.value + _DIGITS[token.option]
    return body + _mac(body, key, _place(account, chat))


def opened(payload: str, *, keys: Sequence[bytes], account: str, chat: str) -> Token | None:
    """What a payload says, if one of the `keys` sealed it for this chat; else None.

    Every key is tried, each in constant time. Without keys nothing opens.
    """
    if _SHAPE.fullmatch(payload) is None:
        return None
    body, mac = payload[:_BODY_LENGTH], payload[_BODY_LENGTH:]
    place = _place(account, chat)
    sealed = False
    for key in keys:
        sealed |= hmac.compare_digest(_mac(body, key, place), mac)
    return _read(body) if sealed else None


def _read(body: str) -> Token | None:
    try:
        decision = Decision(body[26])
    except ValueError:  # of a later version that shares our keys
        return None
    high, middle, low, option = (_DIGITS.index(body[at]) for at in (23, 24, 25, 27))
    if (body[0] == FORM_MARK) is not decision.opens_form:
        return None
    return Token(
        id=body[1:23], rev=high << 12 | middle << 6 | low, decision=decision, option=option
    )


def _place(account: str, chat: str) -> bytes:
    """The chat in bytes that no other pair of account and chat shares."""
    names = (account.encode(), chat.encode())
    return b"".join(len(name).to_bytes(4, "big") + name for name in names)


def _mac(body: str, key: bytes, place: bytes) -> str:
    digest = hmac.digest(key, _DOMAIN + body.encode() + place, "sha256")[:_MAC_BYTES]
    return urlsafe_b64encode(digest).decode().rstrip("=")
