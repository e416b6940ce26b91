"""Makes the pictures of a request that are too large for it before it is rendered."""

from functools import partial

from agent.providers import rendering
from agent.providers.base import ModelRequest
from agent.providers.shrinking import elsewhere


async def draw(request: ModelRequest) -> None:
    """Make them on their own thread; who renders the request then finds each of them made."""
    if rendering.shrinks(request.messages, request.adjustments):
        await elsewhere(partial(rendering.shrink, request.messages, request.adjustments))
