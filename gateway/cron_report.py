"""Pure: what a fire of a job is told, which session it has, and what it posts."""

from typing import Final

from gateway.store.records.cron import Job
from gateway.store.records.fires import Fire
from gateway.store.records.sessions import OpenTurn

SILENCE: Final = "[nothing to say]"
"""What a model writes in place of an answer that is not worth a post."""

DATA_FROM: Final = "data that came with this run"
OUTSIDE: Final = "hook"
"""Whose words such data are: nobody's who may decide anything."""

DATA_MAX: Final = 100_000
"""Characters of them that the model is given."""

SAID_MAX: Final = 4_000
"""Characters of a post that those who answer it are given."""

FIRE_S: Final = 30 * 60.0
"""How long a fire may be at work."""

KEPT_FROM: Final = frozenset({"schedule", "memory"})
"""Tools a fire goes without: it makes no jobs, and reads no chat's notes."""

_MARK: Final = "|job:"


def session_key(job: Job, fire: Fire, account: str) -> str:
    """The session of a fire: its own, its job's, or its chat's."""
    place = f"{account}|{job.definition.deliver}"
    match job.definition.session:
        case "fresh":
            return f"{place}{_MARK}{job.name}:{fire.id}.{fire.attempt}"
        case "job":
            return f"{place}{_MARK}{job.name}"
        case "chat":
            return place


def is_apart(turn: OpenTurn) -> bool:
    """Whether a fire's words are in a session where nobody else writes."""
    return _MARK in turn.session_key


def is_over_with(turn: OpenTurn) -> bool:
    """Whether nothing comes after a fire in its session."""
    fire = turn.fire
    return fire is not None and turn.session_key.endswith(f":{fire.id}.{fire.attempt}")


def goes_without(turn: OpenTurn) -> frozenset[str]:
    """Tools that a turn is not given."""
    if turn.fire is None:
        return frozenset()
    return KEPT_FROM if is_apart(turn) else KEPT_FROM - {"memory"}


def prompt_text(job: Job) -> str:
    """What the model reads: the job's own words, and where it is."""
    return (
        f"{job.definition.prompt.strip()}\n\n"
        f"(This is the scheduled job {job.name}. Nobody waits and nobody can be asked: what you"
        f" write last is posted in the chat as it is. If there is nothing worth a post, write"
        f" {SILENCE} and nothing else.)"
    )


def report(words: str, last: str, turned_down: tuple[str, ...]) -> str:
    """What a fire posts: its words, and what it was not allowed. Empty: nothing is posted.

    `last` is what it wrote last, which may say that there is nothing to say.
    """
    silent = not words.strip() or last.strip().lower().strip("*_`.") == SILENCE
    parts = [] if silent else [words]
    if turned_down:
        listed = "\n".join(f"- {_literal(label)}" for label in turned_down)
        parts.append(f"*Not allowed, so not done:*\n{listed}")
    return "\n\n".join(parts)


def _literal(label: str) -> str:
    """A label as code, which means nothing to Markdown."""
    return "`" + " ".join(label.split()).replace("`", "'") + "`"
