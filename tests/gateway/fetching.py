"""What the tests' gateways fetch files with."""

import asyncio
from pathlib import Path

from agent.costs import Quote
from gateway.delivery import Deliveries
from gateway.file_fetch import FileFetcher
from gateway.files import Files
from gateway.hearing import Hearing, PutAside
from gateway.store.blobs import Blobs


async def at_once(seconds: float) -> None:
    """Wait for nothing."""
    await asyncio.sleep(0)


def files_over(path: Path, deliveries: Deliveries, hears: Hearing | None = None) -> Files:
    """Files kept below a path, of whatever is connected."""
    blobs = Blobs(path / "blobs")
    return Files(
        blobs=blobs,
        fetcher=FileFetcher(blobs, sleep=at_once),
        adapter_of=deliveries.adapter,
        hears=hears,
    )


async def for_nothing(quote: Quote, model: str) -> PutAside | str:
    """A purse for what costs nothing."""
    return PutAside(ident=None)
