"""Pure: where the provider is asked to keep what it has read.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching (at most 4 marks; from
a mark the provider looks for what it knows over the 20 blocks before it).
"""

from collections.abc import Sequence

MARKS = 4
STEP = 18
"""Blocks between two marks: two less than the provider looks back."""


def cache_marks(markable: Sequence[bool], before: int | None, *, room: int) -> tuple[int, ...]:
    """The blocks to mark, in order, by their place among all blocks of the messages.

    `markable` says of each block whether it takes a mark. The newest gets one. `before` is where
    the mark of the request before stood, which is what the provider knows: a mark there, and one
    more after every 18 blocks, so that looking back from one reaches the next. If there is no
    room for the chain, the mark before and the newest links of the chain stay. At most `room`.
    """
    newest = _markable(markable, len(markable) - 1)
    if newest is None or room < 1:
        return ()
    chain = _chain(markable, before, newest)
    kept = chain[1:] if len(chain) > 1 else chain  # the first is within reach of the second
    places = room - 1
    if len(kept) > places:
        kept = [*chain[:1], *chain[len(chain) - places + 1 :]] if places else []
    return (*kept, newest)


def _chain(markable: Sequence[bool], before: int | None, newest: int) -> list[int]:
    """Every 18th block from `before` on, as far as it can be marked, up to the newest."""
    place = None if before is None else _markable(markable, before)
    chain: list[int] = []
    while place is not None and place < newest:
        chain.append(place)
        if newest - place <= STEP:
            break
        following = _markable(markable, place + STEP)
        place = following if following is not None and following > place else None
    return chain


def _markable(markable: Sequence[bool], place: int) -> int | None:
    """The last block up to `place` that takes a mark."""
    return next((at for at in range(place, -1, -1) if markable[at]), None)
