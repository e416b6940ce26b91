"""What a button carries, and that nothing else opens."""

import random
import string

import pytest

from gateway.tokens import OPTION_MAX, REV_MAX, TOKEN_LENGTH, Decision, Token, opened, seal
from platforms.content import opens_form

KEY, OLD, OTHER = b"n" * 32, b"o" * 32, b"x" * 32
ACCOUNT, CHAT = "telegram:7", "-100200"
ID = "AbC-_0123456789abcdefg"
BASE64URL = string.ascii_letters + string.digits + "-_"


def sealed(
    decision: Decision = Decision.APPROVE, *, key: bytes = KEY, rev: int = 3, option: int = 0
) -> str:
    """Return the payload of a button in our chat."""
    token = Token(id=ID, rev=rev, decision=decision, option=option)
    return seal(token, key=key, account=ACCOUNT, chat=CHAT)


def read(payload: str, *, account: str = ACCOUNT, chat: str = CHAT) -> Token | None:
    """Return what a payload says in a chat, two generations of keys being good."""
    return opened(payload, keys=(KEY, OLD), account=account, chat=chat)


@pytest.mark.parametrize("decision", Decision, ids=lambda decision: decision.name)
def test_a_token_says_what_was_sealed(decision: Decision) -> None:
    """Every decision fits 39 characters of ASCII, and those that open a form say so in front."""
    for rev, option in ((0, 0), (1, 5), (4_097, 17), (REV_MAX, OPTION_MAX)):
        payload = sealed(decision, rev=rev, option=option)
        assert len(payload) == TOKEN_LENGTH
        assert payload.isascii()
        assert opens_form(payload) is decision.opens_form
        assert read(payload) == Token(id=ID, rev=rev, decision=decision, option=option)


def test_every_decision_has_a_character_of_its_own() -> None:
    """One character of the alphabet stands for one decision."""
    assert len({decision.value for decision in Decision}) == len(Decision)
    assert all(len(decision.value) == 1 and decision.value in BASE64URL for decision in Decision)


@pytest.mark.parametrize(
    "token",
    [
        Token(id=ID[1:], rev=1, decision=Decision.DENY),
        Token(id=ID[:-1] + "=", rev=1, decision=Decision.DENY),
        Token(id=ID, rev=REV_MAX + 1, decision=Decision.DENY),
        Token(id=ID, rev=-1, decision=Decision.DENY),
        Token(id=ID, rev=1, decision=Decision.DENY, option=OPTION_MAX + 1),
    ],
    ids=["short", "pad", "rev", "below", "option"],
)
def test_what_does_not_fit_is_not_sealed(token: Token) -> None:
    """A number that would wrap around is refused instead."""
    with pytest.raises(ValueError, match=r"button|id has"):
        seal(token, key=KEY, account=ACCOUNT, chat=CHAT)


def test_two_generations_of_keys_are_good() -> None:
    """A button sealed before the last change of keys works, one from before that does not."""
    assert read(sealed(key=KEY)) is not None
    assert read(sealed(key=OLD)) is not None
    assert read(sealed(key=OTHER)) is None
    assert opened(sealed(), keys=(), account=ACCOUNT, chat=CHAT) is None


@pytest.mark.parametrize(
    ("account", "chat"),
    [(ACCOUNT, "-100201"), ("telegram:8", CHAT), ("telegram:7-", "100200"), ("", ""), (CHAT, "")],
)
def test_a_token_of_another_chat_is_nothing(account: str, chat: str) -> None:
    """A button that was forwarded or copied carries nothing, even if the names only shift."""
    assert read(sealed(), account=account, chat=chat) is None


def test_every_single_bit_counts() -> None:
    """A token with one bit turned opens nothing, whichever bit it is."""
    for decision in Decision:
        payload = sealed(decision).encode()
        for at in range(len(payload) * 8):
            turned = bytearray(payload)
            turned[at // 8] ^= 1 << at % 8
            assert read(turned.decode("latin-1")) is None


def test_every_other_character_in_every_place_is_refused() -> None:
    """The bits a last character has to spare open no second spelling of the same token."""
    payload = sealed()
    for at in range(TOKEN_LENGTH):
        for char in BASE64URL + "=+/ \n\0é٣":
            if char != payload[at]:
                assert read(payload[:at] + char + payload[at + 1 :]) is None


@pytest.mark.parametrize(
    "payload",
    [
        "", "a", "a" * TOKEN_LENGTH, "q:1234:done", sealed() + "A", sealed()[:-1], sealed() + "\n",
        " " + sealed(), sealed().upper(), sealed() * 2, "\ud800" * TOKEN_LENGTH, "٣" * TOKEN_LENGTH,
    ],
)  # fmt: skip
def test_what_is_no_token_opens_nothing(payload: str) -> None:
    """Any text is answered, and none but ours is taken."""
    assert read(payload) is None


def test_a_hundred_thousand_mutations_and_none_is_taken() -> None:
    """Payloads changed, cut, joined and made up at random: not one is accepted."""
    chance = random.Random(20)
    good = [sealed(decision, rev=chance.randrange(99)) for decision in Decision]
    accepted = [
        payload
        for payload in (mutated(chance, good) for _ in range(100_000))
        if read(payload) is not None and payload not in good
    ]
    assert accepted == []


def mutated(chance: random.Random, good: list[str]) -> str:
    """Return a payload that somebody tampered with."""
    payload = chance.choice(good)
    match chance.randrange(6):
        case 0 | 1:
            at = chance.randrange(TOKEN_LENGTH)
            return payload[:at] + chance.choice(BASE64URL) + payload[at + 1 :]
        case 2:
            at = chance.randrange(TOKEN_LENGTH)
            return payload[:at] + chance.choice(good)[at:]
        case 3:
            one, other = sorted(chance.sample(range(TOKEN_LENGTH), 2))
            swapped = list(payload)
            swapped[one], swapped[other] = swapped[other], swapped[one]
            return "".join(swapped)
        case 4:
            return payload[: chance.randrange(TOKEN_LENGTH)] + chance.choice(BASE64URL)
        case _:
            return payload[:1] + "".join(chance.choices(BASE64URL, k=TOKEN_LENGTH - 1))
