"""Pure: names that are not what they seem: hosts, paths, executables, payers, repositories.

A letter that is not ASCII is flagged by its code point and name, a host also as it goes over the
wire; what nobody can see has no place in a name and refuses the call before anyone is asked.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from gateway.card_view import Flag
from gateway.shown import escape, is_unseen, shown_inline
from gateway.words import flags as said
from gateway.words.phrase import ENGLISH, Reader, Told

NAMED_MAX = 4
"""Letters named one by one; the rest are counted."""

_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/*([^/?#]*)")
# Read as full stops by resolvers, so the host would not be the one that is shown.
_DOTS = frozenset("\u3002\uff0e\uff61")
_PORT = re.compile(r":\d*$")


class Named(Enum):
    """What a name is for."""

    HOST = "host"
    PATH = "path"
    EXECUTABLE = "executable"
    PAYER = "payer"
    REPOSITORY = "repository"


_FIELDS: Mapping[str, Named] = {
    **dict.fromkeys(("path", "paths", "cwd", "directory", "target", "path_in_repo"), Named.PATH),
    **dict.fromkeys(("executable", "program"), Named.EXECUTABLE),
    **dict.fromkeys(("payer", "namespace"), Named.PAYER),
    **dict.fromkeys(("repo", "repo_id", "repository"), Named.REPOSITORY),
    **dict.fromkeys(("host", "hostname"), Named.HOST),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What people are told of a call's names; a `refusal` tells the model and asks nobody."""

    flags: tuple[Flag, ...] = ()
    refusal: Told = ""


def looks(
    arguments: Mapping[str, object],
    *,
    urls: Iterable[str] = (),
    payer: str = "",
    reader: Reader = ENGLISH,
) -> Looks:
    """How all the names of a call look, each once."""
    flags: list[Flag] = []
    for named, name in dict.fromkeys(_names(arguments, urls, payer)):
        found = look(named, name, reader)
        if found.refusal:
            return found
        flags += found.flags
    return Looks(flags=tuple(flags))


def look(named: Named, name: str, reader: Reader = ENGLISH) -> Looks:
    """How one name looks."""
    hidden = [char for char in name if is_unseen(char)]
    if named is Named.HOST:
        hidden = [char for char in name + _decoded(name) if is_unseen(char) or char in _DOTS]
    if hidden:
        signs = ", ".join(_sign(char) for char in dict.fromkeys(hidden[:NAMED_MAX]))
        return Looks(refusal=said.HIDDEN.of(named=said.NAMES[named.value].of(), signs=signs))
    if named is Named.HOST:
        return Looks(flags=tuple(_of_host(name, reader)))
    if name.isascii():
        return Looks()
    detail = f"{shown_inline(name)}: {_letters(name, reader)}"
    return Looks(flags=(Flag(name=f"{named.value} is not ASCII", detail=detail),))


def _names(
    arguments: Mapping[str, object], urls: Iterable[str], payer: str
) -> Iterator[tuple[Named, str]]:
    for field, value in arguments.items():
        if (named := _FIELDS.get(field)) is not None:
            values = value if isinstance(value, list | tuple) else (value,)
            yield from ((named, each) for each in values if isinstance(each, str))
    match arguments.get("argv"):
        case [str(executable), *_]:
            yield Named.EXECUTABLE, executable
        case _:
            pass
    if payer:
        yield Named.PAYER, payer
    for url in urls:
        yield Named.HOST, host_of(url)


def host_of(url: str) -> str:
    """What stands where an address has its host, whatever it is; a name before it stays on."""
    found = _AUTHORITY.match(url)
    return _PORT.sub("", (found[1] if found else url).replace("\\", "/").split("/")[0])


def _of_host(name: str, reader: Reader) -> Iterator[Flag]:
    person, at, host = name.rpartition("@")
    if at:
        before = shown_inline(person)
        detail = said.NO_PART_OF_HOST.to(reader, name=before, host=shown_inline(host))
        yield Flag(name="a name before the host", detail=detail)
    if not host.isascii():
        wire = ".".join(map(_on_the_wire, host.lower().split(".")))
        letters = _letters(host, reader)
        detail = said.ON_THE_WIRE.to(reader, host=shown_inline(host), wire=wire, letters=letters)
        yield Flag(name="host is not ASCII", detail=detail)
    elif "xn--" in host.lower() and (read := _decoded(host)) != host:
        letters = _letters(read, reader)
        detail = said.READS.to(reader, host=host, name=shown_inline(read), letters=letters)
        yield Flag(name="host is not ASCII", detail=detail)


def _on_the_wire(label: str) -> str:
    """A label as punycode, letter for letter; folding and mapping would name another host."""
    if label.isascii():
        return label
    return "xn--" + label.encode("punycode", "replace").decode()


def _decoded(host: str) -> str:
    return ".".join(map(_decoded_label, host.split(".")))


def _decoded_label(label: str) -> str:
    if not label.lower().startswith("xn--"):
        return label
    try:
        return label[4:].encode().decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return label


def _letters(text: str, reader: Reader) -> str:
    odd = tuple(dict.fromkeys(char for char in text if not char.isascii()))
    named = ", ".join(_sign(char) for char in odd[:NAMED_MAX])
    more = len(odd) - NAMED_MAX
    return named + (said.MORE_LETTERS.to(reader, count=more) if more > 0 else "")


def _sign(char: str) -> str:
    code = f"U+{ord(char):04X}"
    return f"{code} {unicodedata.name(char, escape(char))}"
