"""Whose a cancellation is."""

import asyncio


def is_ours() -> bool:
    """Whether the running task was asked to end.

    If not, a CancelledError came out of something an SDK cancelled within itself, and is a
    failure like any other.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
