"""The schema of `[destinations]`: chats by a name."""

from typing import Annotated

from pydantic import ConfigDict, Field, Strict

from gateway.config import values
from gateway.config.kinds import ExactChat, Section, Users, key, words

Notice = Annotated[str, *words(*values.NOTICE_KINDS)]


class DestinationSection(Section):
    """A chat by a name of yours: for `send_message`, `deliver` of jobs and `gatepost send`."""

    chat: ExactChat = key("The chat, of a configured platform.")
    users: Users | None = key(
        "The people whose turns may write there with `send_message`, beside owners; without the"
        " key everyone's, with an empty list no one's. A message is asked for in any case.",
        None,
    )
    notices: Annotated[tuple[Notice, ...], Strict(False)] = key(
        "What it is told of by itself, from every other chat: `turn_done`, `approval_waiting`,"
        " `error` (a turn failed), `budget` (four fifths of a day's or month's are spent). A notice"
        " says that and where, never what was written.",
        (),
        written=[],
    )


class DestinationsSection(Section):
    """Chats by name: `[destinations.NAME]`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, DestinationSection] = Field(init=False)
