"""The workspaces an app is installed in: who we are in each, and which one a payload is for.

Every bot token is one installation: of a workspace, or of a whole organisation. All of them belong
to the same app and come in by the same sockets. One that is lost leaves the others alone.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from platforms.errors import (
    ChatUnavailable,
    CredentialsRejected,
    PlatformError,
    PlatformUnavailable,
)
from platforms.events import Account
from platforms.fields import Body, identifier, mapping, objects, string, truth
from platforms.slack.api import Json, WebApi
from platforms.slack.people import People
from platforms.slack.reading import Identity

log = logging.getLogger(__name__)

ASSISTANT_RIGHT = "assistant:write"
"""An app with the assistant view has it. Source: docs.slack.dev/ai/developing-ai-apps."""

_SEVERAL_APPS = "Slack's bot tokens belong to several apps: each app needs a gateway of its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One installation: who we are there, what calls are made with, and whom it knows."""

    us: Identity
    api: WebApi
    people: People


class Workspaces:
    """All installations of one app, known after `connect`."""

    def __init__(
        self,
        apis: tuple[WebApi, ...],
        *,
        threads: bool,
        clock: Callable[[], float],
        names_within_s: float,
    ) -> None:
        self._apis = apis
        self._people = tuple(People(api, clock=clock, patience_s=names_within_s) for api in apis)
        self._threads = threads
        self._found: tuple[Workspace, ...] = ()
        self._by_id: dict[str, Workspace] = {}
        self._lost: dict[str, str] = {}
        self._all_lost = asyncio.Event()

    def __iter__(self) -> Iterator[Workspace]:
        return iter(self._found)

    @property
    def account(self) -> Account:
        """The app; raises PlatformUnavailable before `connect`."""
        return self.first.us.account

    @property
    def first(self) -> Workspace:
        """The one whose token stands first."""
        if not self._found:
            raise PlatformUnavailable("the adapter is used before connect")
        return self._found[0]

    @property
    def teams(self) -> frozenset[str]:
        """The ids all of them go by."""
        return frozenset().union(*(each.us.teams for each in self._found))

    @property
    def alarm(self) -> str:
        """Which of them are lost, while others are not."""
        told = (f"Slack's workspace {space} is lost: {why}" for space, why in self._lost.items())
        return "; ".join(told)

    async def connect(self) -> Account:
        """Ask with every token who we are; raises CredentialsRejected if none is taken."""
        found, lost = [], {}
        for number, (api, people) in enumerate(zip(self._apis, self._people, strict=True), 1):
            try:
                us = await identify(api, threads=self._threads)
            except CredentialsRejected as error:
                if len(self._apis) == 1:
                    raise
                log.error("slack: bot token %s of %s: %s", number, len(self._apis), error)
                lost[f"of bot token {number}"] = str(error)
            else:
                found.append(Workspace(us=us, api=api, people=people))
        if not found:
            raise CredentialsRejected("; ".join(lost.values()))
        _check(found)
        self._found, self._lost = _acquainted(found), lost
        self._by_id = _by_id(self._found)
        self._all_lost.clear()
        return self.account

    def of(self, payload: Body) -> Workspace | None:
        """The one a payload is for; None for a workspace we are not in.

        A payload that names none is the first one's: it makes no sense anyway.
        """
        named = addressees(payload)
        if not named:
            return self.first
        return next((self._by_id[each] for each in named if each in self._by_id), None)

    def at(self, space: str | None) -> Workspace:
        """The one with that space, the first for None; raises ChatUnavailable if there is none."""
        if len(self._apis) == 1 or space is None:
            return self.first
        found = next((each for each in self._found if each.us.space == space), None)
        if found is None:
            raise ChatUnavailable(f"Slack's workspace {space} has no bot token", reason="no_rights")
        if found.us.space in self._lost:
            raise ChatUnavailable(self._lost[found.us.space], reason="no_rights")
        return found

    def lose(self, workspace: Workspace, why: str) -> None:
        """Our access to one is over; it is back with a new connection."""
        self._lost[workspace.us.space] = why
        log.error("slack: the workspace %s is lost: %s", workspace.us.space, why)
        if all(each.us.space in self._lost for each in self._found):
            self._all_lost.set()

    async def ended(self) -> str:
        """Wait until none is left, and say why."""
        await self._all_lost.wait()
        return "; ".join(dict.fromkeys(self._lost.values()))

    async def close(self) -> None:
        """Close every connection."""
        for people in self._people:
            await people.close()
        for api in self._apis:
            await api.close()


async def identify(api: WebApi, *, threads: bool) -> Identity:
    """Who a token says we are; raises CredentialsRejected or PlatformUnavailable."""
    me = await ask(api, "auth.test", {})
    rights = api.scopes
    bot, user = identifier(me, "bot_id"), identifier(me, "user_id")
    team, enterprise = identifier(me, "team_id"), identifier(me, "enterprise_id")
    if user is None or team is None:
        raise PlatformUnavailable("what answers is not Slack's Web API")
    if bot is None:
        raise CredentialsRejected("Slack's bot token is a person's; a bot's begins with xoxb-")
    whole = truth(me, "is_enterprise_install") and enterprise is not None
    app = await ask(api, "bots.info", {"bot": bot})
    app_id = identifier(mapping(app, "bot"), "app_id")
    if app_id is None:
        raise PlatformUnavailable("Slack did not say which app the bot token belongs to")
    return Identity(
        account=Account(platform="slack", id=app_id),
        space=enterprise if whole and enterprise else team,
        teams=frozenset({enterprise, team} if whole and enterprise else {team}),
        user_id=user,
        bot_id=bot,
        name=string(me, "user"),
        threads=threads,
        assistant=ASSISTANT_RIGHT in rights,
    )


async def ask(api: WebApi, method: str, arguments: Json) -> Json:
    """A question whose failure means only that it has to be asked again."""
    try:
        return await api.read(method, arguments)
    except (CredentialsRejected, PlatformUnavailable):
        raise
    except PlatformError as error:
        raise PlatformUnavailable(str(error)) from error


def addressees(payload: Body) -> tuple[str, ...]:
    """Pure: the workspaces and bots of ours a payload may be for, the surest first.

    In a channel shared with others `team_id` may be theirs, and who pressed one of them: our
    installation stands in `authorizations`, and what was pressed is a message or form of ours.
    Source: docs.slack.dev/apis/slack-connect, docs.slack.dev/apis/events-api (authorizations).
    """
    view, message = mapping(payload, "view"), mapping(payload, "message")
    named = [identifier(view, "app_installed_team_id"), identifier(view, "bot_id")]
    named.append(identifier(message, "bot_id"))
    for authorization in objects(payload, "authorizations"):
        named += [identifier(authorization, key) for key in ("team_id", "enterprise_id")]
    named += [identifier(payload, key) for key in _NAMES]
    named += [identifier(mapping(payload, key), "id") for key in ("team", "enterprise")]
    named += [identifier(mapping(payload, "user"), "team_id"), identifier(view, "team_id")]
    return tuple(dict.fromkeys(filter(None, named)))


_NAMES = ("context_team_id", "team_id", "context_enterprise_id", "enterprise_id")


def _check(found: list[Workspace]) -> None:
    """Raises CredentialsRejected for tokens that can't serve side by side."""
    if len({each.us.account for each in found}) > 1:
        raise CredentialsRejected(_SEVERAL_APPS)
    counted = Counter(team for each in found for team in each.us.teams)
    for team, count in counted.items():
        if count > 1:
            raise CredentialsRejected(
                f"two of Slack's bot tokens are for {team}: take one of them out"
            )


def _acquainted(found: list[Workspace]) -> tuple[Workspace, ...]:
    """Each with what we are called in the others, who meet in shared channels."""
    names = {name for each in found for name in (each.us.user_id, each.us.bot_id)}
    return tuple(
        replace(
            each,
            us=replace(each.us, elsewhere=frozenset(names - {each.us.user_id, each.us.bot_id})),
        )
        for each in found
    )


def _by_id(found: tuple[Workspace, ...]) -> dict[str, Workspace]:
    """By every id that is one installation's alone."""
    ids = [(name, each) for each in found for name in (*each.us.teams, each.us.bot_id)]
    counted = Counter(name for name, _ in ids)
    return {name: each for name, each in ids if counted[name] == 1}
