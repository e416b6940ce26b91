"""The schema of `[[cron]]`: jobs that run by the clock or by a signed request."""

from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from gateway.config import reading, values
from gateway.config.faults import Wrong
from gateway.config.ids import parse_user, shown
from gateway.config.kinds import (
    Name,
    SecretText,
    Section,
    Text,
    Zone,
    key,
    text_of,
    words,
)


def _schedule(value: object) -> str:
    """Take a schedule as people write it; its parts are told apart by whoever runs it."""
    from platforms.cron.errors import ScheduleInvalid
    from platforms.cron.schedule import read_rule

    text = reading.text(value)
    if text == values.HOOK:
        return text
    try:
        read_rule(text)
    except ScheduleInvalid as exc:
        raise Wrong(exc.problem, exc.fix) from exc
    return text


def _person_or_chat(value: object) -> str:
    text = reading.text(value)
    try:
        return str(parse_user(text))
    except Wrong as no_person:
        try:
            return str(reading.exact_chat(text))
        except Wrong:
            raise no_person from None


def _chat_or_name(value: object) -> str:
    text = reading.text(value)
    if ":" in text:
        return str(reading.exact_chat(text))
    try:
        return reading.provider_name(text)
    except Wrong:
        raise Wrong(
            f"{shown(text)} is neither a chat's id nor the name of one",
            'write PLATFORM:ID, for example "telegram:-100200" or "slack:T1/C1", or a name of'
            " [destinations]",
        ) from None


ScheduleText = Annotated[str, PlainValidator(_schedule), WithJsonSchema({"type": "string"})]
ChatOrName = Annotated[str, *text_of(_chat_or_name, format="chat-id")]
PersonOrChat = Annotated[str, *text_of(_person_or_chat, format="user-id")]

_JOB = values.CronJob(name="job", prompt="", deliver="")


class JobSection(Section):
    """A job: words for the agent at certain times, or whenever a signed request comes (a hook).

    Each run is a conversation of its own. Its answer is posted to `deliver`; no answer, no post.
    """

    name: Name = key("Short name; unique. Its history goes by it.")
    schedule: ScheduleText | None = key(
        "When it runs: five fields (`0 9 * * mon-fri`), `@hourly`, `@daily`, `@weekly`, `@monthly`,"
        " `@yearly`, `every 15m`, or once, `at 2026-05-01T09:00`. Without it, or with `hook`, the"
        " job is a hook.",
        None,
    )
    secret: SecretText | None = key(
        "Of a hook: what requests to `/hooks/NAME` of `[web]` are signed with.", None
    )
    timezone: Zone | None = key(
        "The time zone of its schedule; without it `gateway.timezone`. Never the machine's.", None
    )
    prompt: Text = key("What the agent is told.")
    deliver: ChatOrName = key(
        "The chat that gets the answer: the name of one of `[destinations]`, or the id of one of a"
        " configured platform that `[access]` lists."
    )
    missed: Annotated[str, *words("skip", "once", "all")] = key(
        "Times that passed while the gateway was down: `skip` leaves them out, `once` runs the"
        " newest if it is not late by more than half a period (2 minutes to 2 hours), `all` runs"
        " up to ten, oldest first.",
        _JOB.missed,
    )
    overlap: Annotated[str, *words("skip", "queue")] = key(
        "A time that comes while the job still runs or waits for an approval: `skip` leaves it"
        " out, `queue` lets one wait.",
        _JOB.overlap,
    )
    session: Annotated[str, *words("fresh", "job", "chat")] = key(
        "What it remembers: `fresh` nothing, `job` its own earlier runs, `chat` runs in the"
        " conversation of `deliver`.",
        _JOB.session,
    )
    approver: PersonOrChat | None = key(
        "The person or chat that is asked when a tool call needs approval; without one such calls"
        " are denied and listed in the answer.",
        None,
    )
