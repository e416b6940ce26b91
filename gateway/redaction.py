"""Pure: known secrets are taken out of text before anybody reads it."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

import orjson

from agent.messages import well_formed
from gateway.config.secret import Secret

HIDDEN = "[hidden]"
SHORTEST = 8
"""Characters of a secret that is looked for; shorter ones stand in too many words."""


class Redaction:
    """Hides secrets, however they are written; a reload may bring further ones."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: list[str] = []
        self._always: frozenset[str] = frozenset()
        self._passing: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Hide these too from now on."""
        self._always |= _forms(secrets)
        self._gather()

    def replace(self, owner: str, secrets: Iterable[str]) -> None:
        """Hide these in place of the owner's last but one: what is renewed does not pile up."""
        fresh = _forms(secrets)
        _, last = self._passing.get(owner, (frozenset(), frozenset()))
        if fresh != last:
            self._passing[owner] = (last, fresh)
            self._gather()

    def _gather(self) -> None:
        passing = (forms for both in self._passing.values() for forms in both)
        self._secrets = sorted(self._always.union(*passing), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without secrets, as every encoder takes it."""
        text = well_formed(text)
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        return text


def secrets_of(config: object, *others: str) -> tuple[str, ...]:
    """Every secret of a configuration."""
    return (*_secrets(config), *(other for other in others if other))


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, tuple | Mapping):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _secrets(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _secrets(getattr(value, field.name))


def _forms(secrets: Iterable[str]) -> frozenset[str]:
    known = (secret for secret in secrets if len(secret) >= SHORTEST)
    return frozenset(form for secret in known for form in _written(secret))


def _written(secret: str) -> tuple[str, ...]:
    """A secret as it may stand in a text: as it is, in JSON, in an address, in a traceback."""
    return (
        secret,
        orjson.dumps(well_formed(secret)).decode()[1:-1],
        quote(secret, safe=""),
        quote(secret),
        repr(secret)[1:-1],
    )
