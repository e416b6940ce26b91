"""Folding the past of a chat so that it fits: what is cut, what is summed up, what stands instead.

Pure; the summary call itself is made like every other model call.
"""

from dataclasses import dataclass
from enum import Enum


class FoldKind(Enum):
    """How far a fold goes."""

    PRUNE = "prune"  # long old outputs and old media to a line; no model is asked
    SUMMARY = "summary"  # older messages to a summary by a model
    DIGEST = "digest"  # older messages to a summary without one


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """What stands in place of older messages of a session.

    `first` and `through` are positions in the visible transcript that was folded, from 0, both
    inside; the fold covers the messages between them. A prune covers what is before `through` and
    has no text. `gain` is the share of bytes it saved.
    """

    kind: FoldKind
    first: int = 0
    through: int
    text: str = ""
    gain: float = 0.0
