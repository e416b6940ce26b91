"""Names that are not what they seem."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.card_view import Flag
from gateway.looks import Looks, Named, host_of, look, looks
from gateway.words.phrase import ENGLISH, spoken


def refusal(found: Looks) -> str:
    """Return why nobody is asked."""
    return spoken(found.refusal, ENGLISH)


@pytest.mark.parametrize("named", Named)
def test_plain_names_are_plain(named: Named) -> None:
    """ASCII is nothing to remark on."""
    assert look(named, "train-2.py").flags == ()
    assert look(named, "train-2.py").refusal == ""


@pytest.mark.parametrize("named", Named)
@pytest.mark.parametrize(
    "char",
    [
        "\u200b", "\u202e", "\u00a0", "\u3164", "\ufe0f", "\U000e0041", "\ud800", "\ue000", "\n",
        "\t",
    ],
)  # fmt: skip
def test_what_nobody_sees_refuses(named: Named, char: str) -> None:
    """An invisible character has no honest place in a name, and the reason names it."""
    found = look(named, f"acme{char}prod")
    assert f"U+{ord(char):04X}" in refusal(found)
    assert found.flags == ()


@pytest.mark.parametrize("named", [Named.PATH, Named.EXECUTABLE, Named.PAYER, Named.REPOSITORY])
def test_other_letters_are_named(named: Named) -> None:
    """A Cyrillic letter among Latin ones is told by code point and name."""
    (flag,) = look(named, "\u0430cme").flags
    assert flag == Flag(
        name=f"{named.value} is not ASCII",
        detail="\u0430cme: U+0430 CYRILLIC SMALL LETTER A",
    )


def test_many_letters_are_counted() -> None:
    """A name in another script is not spelled out whole."""
    (flag,) = look(Named.PATH, "заметки.md").flags
    assert flag.detail.count("U+") == 4
    assert flag.detail.endswith("and 3 more")


@pytest.mark.parametrize(
    ("url", "flag", "part"),
    [
        ("https://\u0430pple.com/x", "host is not ASCII", "\u0430pple.com is xn--pple-43d.com: U+"),
        ("https://xn--pple-43d.com:8443", "host is not ASCII", "xn--pple-43d.com reads \u0430pple"),
        ("https://good.example@evil.example/", "a name before the host", "evil.example"),
        ("https://fa\u00df.de", "host is not ASCII", "xn--fa-hia.de: U+00DF"),
    ],
)  # fmt: skip
def test_hosts_are_shown_as_they_go_over_the_wire(url: str, flag: str, part: str) -> None:
    """A host that reads like another is told apart, in letters and in punycode."""
    (found,) = looks({}, urls=(url,)).flags
    assert found.name == flag
    assert part in found.detail


@pytest.mark.parametrize("dot", ["\u3002", "\uff0e", "\uff61"])
def test_a_sign_that_is_read_as_a_dot_refuses(dot: str) -> None:
    """The host would be another one than the one that is shown."""
    assert "U+" in refusal(looks({}, urls=(f"https://good{dot}example",)))


def test_what_punycode_hides_refuses() -> None:
    """A zero-width sign is no less hidden where it goes over the wire in letters."""
    label = "xn--" + "a\u200bb".encode("punycode").decode()
    assert "U+200B" in refusal(looks({}, urls=(f"https://{label}.example",)))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://a.example/b?c", "a.example"),
        ("HTTPS://a.example:8443", "a.example"),
        ("https://good.example\\@evil.example", "good.example"),
        ("a.example", "a.example"),
        ("https:a.example", "a.example"),
        ("https://[::1]:80/", "[::1]"),
        ("", ""),
    ],
)
def test_where_a_host_stands(url: str, host: str) -> None:
    """What a reader takes for the host is looked at, whatever a parser would say."""
    assert host_of(url) == host


def test_the_names_of_a_call() -> None:
    """Every argument that is a name is looked at once, wherever it stands."""
    arguments = {
        "path": "\u0430.md",
        "paths": ["\u0430.md", "b.md", 3],
        "repo_id": "acme/\u0435val",
        "argv": ["\u0440ython", "\u0445"],
        "content": "\u0430\u202e is text",
        "namespace": None,
    }
    found = looks(arguments, payer="\u0430cme")
    assert [flag.name for flag in found.flags] == [
        "path is not ASCII", "repository is not ASCII", "executable is not ASCII",
        "payer is not ASCII",
    ]  # fmt: skip
    assert refusal(looks({**arguments, "path": "a\u200b.md"})).startswith("The path holds")


@given(st.sampled_from(Named), st.text())
def test_any_name_is_answered(named: Named, name: str) -> None:
    """No text raises, and what is neither ASCII nor refused is flagged."""
    found = look(named, name)
    if not name.isascii() and not found.refusal:
        assert found.flags
    assert all(flag.detail.isprintable() or "\u200e" in flag.detail for flag in found.flags)
