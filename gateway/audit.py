"""The audit as the gateway writes, checks and hands it out; `gateway.chain` says how it holds."""

from collections.abc import AsyncIterator, Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from gateway.chain import Broken, Entry, Intact, Link, Progress, finished, follow
from gateway.store.base import Store
from gateway.store.records import audit as rows
from gateway.store.records.audit import append, head

__all__ = ("append", "export", "exported", "head", "verify")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def verify(store: Store) -> Intact | Broken:
    """Follow the stored chain from its first row to its last.

    Old rows may be taken away while it is read page by page, so a break is looked for twice.
    """
    found = await _followed(store)
    return found if isinstance(found, Intact) else await _followed(store)


async def _followed(store: Store) -> Intact | Broken:
    progress: Progress | Broken = Progress()
    while isinstance(progress, Progress):
        page = await _page(store, progress.seq)
        if not page:
            break
        progress = follow(progress, page)
    return finished(progress)


async def _page(store: Store, after: int) -> list[Entry]:
    return await store.read(lambda tx: rows.page(tx, after=after))


async def export(store: Store, *, hide: Callable[[str], str]) -> AsyncIterator[str]:
    """Every row as one line of JSON, oldest first; `hide` takes secrets out of a text."""
    after = 0
    while page := await _page(store, after):
        for entry in page:
            yield exported(entry, hide=hide)
        after = page[-1].seq


def exported(entry: Entry, *, hide: Callable[[str], str]) -> str:
    """A row as one line of JSON with its secrets removed.

    Its hash is that of the stored row: a line something was taken from says so.
    """
    link = {each.name: getattr(entry.link, each.name) for each in fields(Link)}
    link["detail"] = orjson.loads(entry.link.detail)
    shown = _without(link, hide)
    line = {
        "seq": entry.seq,
        **shown,
        "at": (_EPOCH + timedelta(microseconds=entry.link.at)).isoformat(),
        "previous": entry.previous,
        "hash": entry.hash,
    }
    if shown != link:
        line["redacted"] = True
    return orjson.dumps(line).decode()


def _without(value: Any, hide: Callable[[str], str]) -> Any:
    match value:
        case str():
            return hide(value)
        case dict():
            return {hide(key): _without(item, hide) for key, item in value.items()}
        case list():
            return [_without(item, hide) for item in value]
        case _:
            return value
