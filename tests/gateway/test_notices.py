"""Words to owners about the gateway itself: elsewhere, once a day, and as soon as someone hears."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import refs
from gateway.config.ids import parse_user
from gateway.delivery import Deliveries
from gateway.notices import UNTOLD_KEPT, Notices
from gateway.store.sqlite import SqliteStore
from platforms.content import Post
from platforms.errors import ChatUnavailable, CredentialsRejected, PlatformUnavailable
from platforms.events import Account, ChatRef
from tests.gateway.core import Core
from tests.gateway.events import TELEGRAM
from tests.gateway.hand_clock import HandClock
from tests.gateway.records.rows import inserted, new_outbox
from tests.gateway.scripted_adapter import ScriptedAdapter
from tests.transitions import KEPT

DISCORD = Account(platform="discord", id="9")
DISCORD_TOO = Account(platform="discord", id="10")
OWNERS_MOST = 3
DAY_S = 24 * 3600.0


class Unknown(ScriptedAdapter):
    """A platform on which nobody can be written to."""

    async def direct(self, person: str, space: str | None = None) -> ChatRef:
        """There is no chat with anybody."""
        raise ChatUnavailable("never spoke to me", reason="not_found")


class Workspaces(ScriptedAdapter):
    """A platform whose people are only their workspace's."""

    async def direct(self, person: str, space: str | None = None) -> ChatRef:
        """The chat with a person of that workspace."""
        return ChatRef(account=self.account, space=space, chat_id=f"{space}-{person}")


class Office:
    """Owners, the platforms they are on, and what they are told."""

    def __init__(self, store: SqliteStore, clock: HandClock) -> None:
        self.store = store
        self.clock = clock
        self.telegram = ScriptedAdapter(TELEGRAM)
        self.discord = ScriptedAdapter(DISCORD)
        self.told: Notices
        self.open("telegram:1001", "discord:42")

    def open(self, *owners: str) -> None:
        """Begin a run with these owners; nobody is connected."""
        self.deliveries = Deliveries(store=self.store, clock=self.clock, alert=self._alert)
        self.told = Notices(
            store=self.store,
            deliveries=self.deliveries,
            clock=self.clock,
            owners=tuple(parse_user(owner) for owner in owners),
        )

    async def connect(self, *adapters: ScriptedAdapter) -> None:
        """Connect accounts, as their supervisors do."""
        for adapter in adapters:
            await self.deliveries.attach(adapter.account, adapter)
            self.told.retry()

    async def tell(
        self, sentence: str = "bad", key: str = "k", account: str = "telegram:77"
    ) -> None:
        """Tell of a matter and wait until whoever can be told is."""
        self.told.tell(account, key, sentence)
        await self.settled()

    async def settled(self) -> None:
        """Wait until everything that is being told was told.

        Writes are carried out in order: behind ours there is one of each owner's at most.
        """
        for _ in range(OWNERS_MOST + 1):
            await asyncio.sleep(0)
            await self.store.write(lambda tx: None, transition=KEPT)
        for outlet in self.deliveries.outlets():
            await outlet.flush()

    async def close(self) -> None:
        """End the run."""
        await self.told.close()
        await self.deliveries.close(flush_s=0)

    def _alert(self, account: str, key: str, sentence: str) -> None:
        self.told.tell(account, key, sentence)


@pytest.fixture
async def office(store: SqliteStore, clock: HandClock) -> AsyncIterator[Office]:
    """One owner on Telegram, one on Discord; nobody is connected."""
    made = Office(store, clock)
    yield made
    await made.close()


@pytest.fixture
async def core(
    office: Office, store: SqliteStore, tmp_path: Path, clock: HandClock
) -> AsyncIterator[Core]:
    """A gateway whose notices are the office's."""
    made = Core(store, tmp_path, clock)
    made.notices, made.deliveries = office.told, office.deliveries
    yield made
    await made.close()


async def test_owners_are_told_in_their_own_workspace(office: Office) -> None:
    """Two people of one id are two people: each is written to where they are."""
    office.open("slack:T1/U1", "slack:T2/U1")
    slack = Workspaces(Account(platform="slack", id="A1"))
    await office.connect(slack)
    await office.tell()
    await slack.until(lambda: set(slack.chats) == {"T1-U1", "T2-U1"})


async def test_owners_elsewhere_are_told(office: Office) -> None:
    """All of them, and nobody on the platform it is about."""
    office.open("telegram:1001", "discord:42", "discord:43")
    await office.connect(office.telegram, office.discord)
    await office.tell("telegram is *down*")
    assert office.discord.chats == {
        "42": {"1": "telegram is *down*"},
        "43": {"1": "telegram is *down*"},
    }
    assert office.telegram.performed == []


async def test_a_matter_is_told_once_a_day(office: Office) -> None:
    """Another matter is another matter, and tomorrow is another day."""
    await office.connect(office.discord)
    await office.tell("one")
    await office.tell("one, in other words")
    await office.tell("two", key="other")
    assert office.discord.shown("42") == ["one", "two"]
    office.clock.advance(DAY_S)
    await office.tell("one again")
    assert office.discord.shown("42") == ["one", "two", "one again"]


async def test_a_restart_tells_nothing_twice(office: Office) -> None:
    """What was told today is in the store."""
    await office.connect(office.discord)
    await office.tell("one")
    await office.close()
    office.open("discord:42")
    await office.connect(office.discord)
    await office.tell("one")
    assert office.discord.shown("42") == ["one"]


async def test_nobody_elsewhere_is_told_here(office: Office) -> None:
    """Better on the platform it is about than not at all."""
    office.open("telegram:1001")
    await office.connect(office.telegram, office.discord)
    await office.tell("limited")
    assert office.telegram.shown("1001") == ["limited"]


async def test_elsewhere_is_not_connected(office: Office) -> None:
    """Who is not reached elsewhere is told here."""
    await office.connect(office.telegram)
    await office.tell("limited")
    assert office.telegram.shown("1001") == ["limited"]


async def test_nobody_is_told_after_the_end(office: Office) -> None:
    """What goes wrong in the last flush stands in the log; nothing of it runs on."""
    await office.connect(office.discord)
    await office.told.close()
    await office.tell()
    assert office.discord.performed == []


async def test_elsewhere_does_not_work_either(office: Office) -> None:
    """An account that takes no messages tells nobody anything."""
    office.discord.then(Post, CredentialsRejected("revoked"))
    await inserted(office.store, new_outbox("k1", account="discord:9", chat="discord:5"))
    await office.connect(office.discord, office.telegram)
    await office.settled()
    await office.tell("limited")
    assert office.telegram.shown("1001") == [
        "discord takes no messages of mine: revoked. What is to be sent waits until that is"
        " mended; then send the gateway SIGHUP.",
        "limited",
    ]


async def test_one_account_of_a_platform_is_enough(office: Office) -> None:
    """Where one bot is refused, another one of the platform tells."""
    too = ScriptedAdapter(DISCORD_TOO)
    office.discord.then(Post, CredentialsRejected("revoked"))
    await inserted(office.store, new_outbox("k1", account="discord:9", chat="discord:5"))
    await office.connect(office.discord, too)
    for outlet in office.deliveries.outlets():
        await outlet.flush()
    await office.tell("limited", key="limit")
    assert "limited" in too.shown("42")


async def test_an_owner_who_has_no_chat_is_passed_over(office: Office) -> None:
    """The others are told."""
    office.discord = Unknown(DISCORD)
    await office.connect(office.telegram, office.discord)
    await office.tell("limited")
    assert office.telegram.shown("1001") == ["limited"]


async def test_what_nobody_heard_is_told_when_someone_connects(office: Office) -> None:
    """Once, and not again with the next connection."""
    await office.tell("telegram is down")
    await office.connect(office.discord)
    await office.settled()
    assert office.discord.shown("42") == ["telegram is down"]
    await office.connect(office.telegram)
    await office.settled()
    assert office.telegram.performed == []


async def test_what_nobody_heard_is_bounded(office: Office) -> None:
    """Of very many matters the newest are told; the log has them all."""
    for number in range(UNTOLD_KEPT + 20):
        office.told.tell("telegram:77", f"k{number}", f"matter {number}")
    await office.settled()
    await office.connect(office.discord)
    await office.settled()
    expected = {f"matter {number}" for number in range(20, UNTOLD_KEPT + 20)}
    assert set(office.discord.shown("42")) == expected


async def test_without_owners_the_log_has_it(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is configured to be told."""
    office.open()
    await office.connect(office.telegram, office.discord)
    await office.tell("telegram is down")
    assert "telegram is down" in caplog.text
    assert office.telegram.performed == office.discord.performed == []


async def test_rejected_credentials_are_told_elsewhere(office: Office) -> None:
    """A token that is revoked while the gateway runs: its rows wait, and someone knows why."""
    office.telegram.then(Post, CredentialsRejected("token revoked"))
    await office.connect(office.telegram, office.discord)
    row = await inserted(office.store, new_outbox())
    office.deliveries.enqueue((row,))
    await office.discord.shows(
        "42",
        "telegram takes no messages of mine: token revoked. What is to be sent waits until that"
        " is mended; then send the gateway SIGHUP.",
    )


async def test_a_bad_token_stops_its_adapter_and_is_told_elsewhere(
    office: Office, core: Core
) -> None:
    """Its adapter is stopped, the others go on; whoever connects later tells it."""
    office.telegram.connects.append(CredentialsRejected("the token is refused"))
    stopped = core.supervised(office.telegram)
    running = core.supervised(office.discord)
    tasks = [asyncio.create_task(stopped.run())]
    await stopped.settled.wait()
    assert stopped.status().state == "stopped"
    tasks.append(asyncio.create_task(running.run()))
    await office.discord.shows(
        "42",
        "telegram is stopped, the others go on: the token is refused. Mend that, then restart the"
        " gateway or send it SIGHUP.",
    )
    assert running.status().state == "running"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_unreachable_platform_is_no_matter_for_owners(office: Office, core: Core) -> None:
    """It comes back by itself; `status` shows it meanwhile."""
    await office.connect(office.discord)
    office.telegram.connects.append(PlatformUnavailable("no route"))
    supervisor = core.supervised(office.telegram)
    task = asyncio.create_task(supervisor.run())
    await supervisor.settled.wait()
    await office.settled()
    assert office.discord.performed == []
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("text", "ident", "space"),
    [("slack:T1/U1", "U1", "T1"), ("telegram:1001", "1001", None), ("web:ann", "ann", None)],
)
def test_a_person_is_of_a_workspace_in_slack_only(text: str, ident: str, space: str | None) -> None:
    """Both parts of a person come back."""
    assert (refs.person_id(text), refs.person_space(text)) == (ident, space)
