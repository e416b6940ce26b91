"""What `gatepost doctor` tells of a Slack app: its rights, its way in, and channels without us.

Which events an app subscribes to can't be asked with a bot token; the manifest has them all.
Source: the scopes at docs.slack.dev/reference/scopes.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from platforms.base import REMARK_CHATS_MAX, Remark
from platforms.errors import ChatUnavailable, CredentialsRejected, PlatformError, RightsMissing
from platforms.events import ChatRef
from platforms.fields import mapping, truth
from platforms.slack.api import WebApi
from platforms.slack.reading import Identity

NEEDED: Mapping[str, str] = MappingProxyType(
    {
        "chat:write": "every answer",
        "im:history": "direct messages",
        "users:read": "telling guests and people of other organisations apart",
    }
)
"""Rights without which it does not work, and what is gone."""

WANTED: Mapping[str, str] = MappingProxyType(
    {
        "app_mentions:read": "mentions",
        "channels:history": "what is written in public channels",
        "channels:read": "who comes and goes in public channels",
        "commands": "the command /gatepost and the shortcuts",
        "files:read": "files that people send",
        "files:write": "answers as files",
        "groups:history": "what is written in private channels",
        "groups:read": "who comes and goes in private channels",
        "im:write": "writing to somebody first, and the forms of shortcuts",
        "mpim:history": "direct messages of several people",
        "reactions:read": "what people think of an answer",
    }
)

SPARED: Mapping[str, str] = MappingProxyType(
    {
        "assistant:write": "prompts and titles of the assistant view",
        "channels:manage": "/leave in public channels",
        "groups:write": "/leave in private channels",
        "reactions:write": "the sign that a message was seen",
        "usergroups:read": "user groups as approvers",
    }
)
"""Rights that many go without on purpose."""

_NOT_IN = frozenset({"not_found", "kicked", "no_rights"})


def of_rights(us: Identity, held: frozenset[str]) -> Iterator[Remark]:
    """Pure: which of the manifest's rights a token lacks, and which it has beyond them."""
    if not held:
        return  # an answer that names none tells nothing
    page = f"https://api.slack.com/apps/{us.account.id}/oauth"
    add = (
        f"{page} > Scopes > Bot Token Scopes > Add an OAuth Scope: add them, then reinstall the"
        " app with the button at the top"
    )
    lost = f"{us.space}: the app lacks the right"
    for weight, rights in (("error", NEEDED), ("warning", WANTED), ("note", SPARED)):
        missing = [f"{right} ({rights[right]})" for right in sorted(rights) if right not in held]
        if missing:
            said = f"{lost}{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
            yield Remark(weight=weight, said=said, remedy=add)  # type: ignore[arg-type]
    if beyond := sorted(held - {*NEEDED, *WANTED, *SPARED}):
        yield Remark(
            weight="note",
            said=f"{us.space}: the app has rights that the gateway never uses: {', '.join(beyond)}",
            remedy=f"{page} > Scopes > Bot Token Scopes: remove them",
        )


async def of_socket(api: WebApi, app_token: str) -> Remark | None:
    """Whether the app-level token opens a socket; the address that comes back is not used."""
    try:
        await api.read("apps.connections.open", {"token": app_token})
    except RightsMissing:
        said = "the app-level token lacks the right connections:write"
        where = "Basic Information > App-Level Tokens > Generate Token and Scopes"
    except CredentialsRejected as error:
        said = str(error)
        where = "Basic Information > App-Level Tokens; it goes into platforms.slack.app_token"
    except PlatformError as error:
        return Remark(weight="warning", said=f"no socket could be asked for: {error}")
    else:
        return None
    return Remark(weight="error", said=said, remedy=f"https://api.slack.com/apps > {where}")


async def of_channels(us: Identity, api: WebApi, chats: tuple[ChatRef, ...]) -> list[Remark]:
    """Which of these channels of one workspace we are not in."""
    found = []
    for chat in chats[:REMARK_CHATS_MAX]:
        try:
            answer = await api.read("conversations.info", {"channel": chat.chat_id})
            inside = truth(mapping(answer, "channel"), "is_member")
        except ChatUnavailable as error:
            if error.reason not in _NOT_IN:
                continue
            inside = False
        if not inside:
            found.append(
                Remark(
                    weight="warning",
                    said=f"slack:{us.space}/{chat.chat_id} is listed, and the bot is not in it",
                    remedy=f"in that channel write: /invite @{us.name}",
                )
            )
    return found
