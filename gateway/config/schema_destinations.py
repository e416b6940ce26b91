"""The schema of `[destinations]`: chats by a name."""

from pydantic import ConfigDict, Field

from gateway.config.kinds import ExactChat, Section, Users, key


class DestinationSection(Section):
    """A chat by a name of yours: for `send_message`, `deliver` of jobs and `gatepost send`."""

    chat: ExactChat = key("The chat, of a configured platform.")
    users: Users | None = key(
        "The people whose turns may write there with `send_message`, beside owners; without the"
        " key everyone's, with an empty list no one's. A message is asked for in any case.",
        None,
    )


class DestinationsSection(Section):
    """Chats by name: `[destinations.NAME]`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, DestinationSection] = Field(init=False)
