"""Which loop a test runs on, its fixtures with it: the real one, or by a mark one that warps."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from tests.warp import WarpLoop


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers", "warp: runs on a loop whose clock jumps (tests/warp.py); not so with (False)"
    )


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What makes the one loop of a test."""
    mark = item.get_closest_marker("warp")
    if mark is not None and mark.args != (False,):
        return {"warp": WarpLoop}
    return {"real": asyncio.new_event_loop}
