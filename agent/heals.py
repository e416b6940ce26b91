"""What can be changed in an outgoing copy so that a provider takes it after all.

A heal is tried once and only where its cause is in the copy: without a cause there is no cure,
and the refusal means something else. Pure; the transcript itself is never touched.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from agent.errors import NeedsAdjustment
from agent.providers.base import EFFORTS
from agent.recovery import Adjust, Guard, Sent, TurnRetryState, Wait

IMAGE_BYTES = 5_000_000
IMAGE_PIXELS = 8_000
"""The most a picture may have where the refusal names no figure: bytes, pixels of a side."""

CAP_MARGIN = 64
"""Tokens left free below the output cap that a refusal names."""

PLAIN_RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heal:
    """One thing to change, and the guard that is used up by it."""

    guard: Guard
    move: Adjust | Wait


def heal_for(error: NeedsAdjustment, sent: Sent, state: TurnRetryState) -> Heal | None:
    """The first heal for this reason that has a cause and was not tried; None if there is none."""
    stages = _STAGES.get(error.reason)
    if stages is None:
        return None
    return next((heal for heal in stages(error, sent) if heal.guard not in state.used), None)


def level_below(effort: str, allowed: tuple[str, ...]) -> str | None:
    """The most effort below this one that a provider takes; `allowed` empty: any level."""
    lower = EFFORTS[: EFFORTS.index(effort)] if effort in EFFORTS else ()
    taken = [level for level in lower if not allowed or level in allowed]
    return taken[-1] if taken else None


Stages = Callable[[NeedsAdjustment, Sent], Iterator[Heal]]


def _thinking_signature(error: NeedsAdjustment, sent: Sent) -> Iterator[Heal]:
    if sent.own_parts:
        # A tool loop has to begin with a thinking part, so one that lost its own does not think.
        thinking = sent.adjustments.thinking and not sent.in_tool_loop
        changed = replace(sent.adjustments, replay=False, thinking=thinking)
        yield Heal(guard=Guard.THINKING_SIGNATURE, move=Adjust(adjustments=changed))


def _encrypted_reasoning(error: NeedsAdjustment, sent: Sent) -> Iterator[Heal]:
    if sent.own_parts and sent.adjustments.replay:
        changed = replace(sent.adjustments, replay=False)
        move = Adjust(adjustments=changed, remember="replay_off")
        yield Heal(guard=Guard.ENCRYPTED_REASONING, move=move)


def _image_too_large(error: NeedsAdjustment, sent: Sent) -> Iterator[Heal]:
    if sent.media or sent.tool_media:
        changed = replace(sent.adjustments, image_bytes=error.figure, image_pixels=error.pixels)
        if not error.figure and not error.pixels:
            changed = replace(changed, image_bytes=IMAGE_BYTES, image_pixels=IMAGE_PIXELS)
        yield Heal(guard=Guard.IMAGE_SHRINK, move=Adjust(adjustments=changed))


def _tool_images(error: NeedsAdjustment, sent: Sent) -> Iterator[Heal]:
    if sent.tool_media:
        changed = replace(sent.adjustments, tool_media=False)
        move = Adjust(adjustments=changed, remember="tool_images")
        yield Heal(guard=Guard.TOOL_IMAGES, move=move)


def _image_unsupported(error: NeedsAdjustment, sent: Sent) -> Iterator[Heal]:
    if sent.media or sent.tool_media:
        changed = replace(sent.adjustments, media=False, tool_media=False)
        move = Adjust(adjustments=changed, remember="text_only")
        yield Heal(guard=Guard.TEXT_ONLY, move=move)


def _long_context_beta(error: NeedsAdjustment, sent: Sent) -> Iterator[Heal]:
    if sent.adjustments.long_context:
        changed = replace(sent.adjustments, long_context=False)
        move = Adjust(adjustments=changed, remember="long_context_off")
        yield Heal(guard=Guard.LONG_CONTEXT_BETA, move=move)


def _long_context_tier(error: NeedsAdjustment, sent: Sent) -> Iterator[Heal]:
    # The copy stays as it is: in the smaller window it is folded before it goes out again.
    move = Adjust(adjustments=sent.adjustments, remember="window_200k")
    yield Heal(guard=Guard.LONG_CONTEXT_TIER, move=move)


def _grammar(error: NeedsAdjustment, sent: Sent) -> Iterator[Heal]:
    if sent.keywords:
        changed = replace(sent.adjustments, keywords=False)
        yield Heal(guard=Guard.GRAMMAR, move=Adjust(adjustments=changed))
    else:
        yield Heal(guard=Guard.GRAMMAR, move=Wait(seconds=PLAIN_RETRY_S))


def _effort(error: NeedsAdjustment, sent: Sent) -> Iterator[Heal]:
    if sent.effort is None:
        return
    level = level_below(sent.effort, error.levels)
    if level is not None:
        changed = replace(sent.adjustments, effort=level)
        move = Adjust(adjustments=changed, remember="effort")
        yield Heal(guard=Guard.EFFORT, move=move)
    changed = replace(sent.adjustments, effort=None)
    yield Heal(guard=Guard.EFFORT_OFF, move=Adjust(adjustments=changed, remember="effort"))


def _output_cap(error: NeedsAdjustment, sent: Sent) -> Iterator[Heal]:
    if error.figure is None:
        return
    cap = error.figure - CAP_MARGIN
    if cap > 0 and (sent.cap is None or cap < sent.cap):
        move = Adjust(adjustments=sent.adjustments, cap=cap)
        yield Heal(guard=Guard.OUTPUT_CAP, move=move)


def _streaming_unsupported(error: NeedsAdjustment, sent: Sent) -> Iterator[Heal]:
    if sent.adjustments.stream:
        changed = replace(sent.adjustments, stream=False)
        move = Adjust(adjustments=changed, remember="stream_off")
        yield Heal(guard=Guard.STREAM_OFF, move=move)


_STAGES: Mapping[str, Stages] = {
    "thinking_signature": _thinking_signature,
    "encrypted_reasoning": _encrypted_reasoning,
    "image_too_large": _image_too_large,
    "tool_images": _tool_images,
    "image_unsupported": _image_unsupported,
    "long_context_beta": _long_context_beta,
    "long_context_tier": _long_context_tier,
    "grammar": _grammar,
    "effort": _effort,
    "output_cap": _output_cap,
    "streaming_unsupported": _streaming_unsupported,
}
