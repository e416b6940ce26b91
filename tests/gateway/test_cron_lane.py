"""`/cron` in chats: who may do what, and what they read."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config.ids import parse_user
from gateway.config.values import GatewayConfig
from gateway.cron_assembly import lane_of_jobs
from gateway.cron_door import Fired
from gateway.desk_assembly import Ground
from gateway.store.records import cron, inbox, listed
from gateway.store.records.inbox import Content, Waiting
from gateway.store.sqlite import SqliteStore
from gateway.words import cron as said
from gateway.words.phrase import ENGLISH, Reader
from tests.gateway.cron_house import CHAT, CronHouse, job
from tests.gateway.hand_clock import START, HandClock
from tests.gateway.intake import CONFIG
from tests.gateway.records.rows import write

OWNER, OTHER, THIRD = "telegram:1001", "telegram:1002", "telegram:1003"
CONFIGURED = replace(CONFIG, gateway=GatewayConfig(owners=(parse_user(OWNER),)))


class Lane:
    """The lane over a gateway with one configured job; every command is a row."""

    def __init__(self, house: CronHouse, clock: HandClock) -> None:
        self.house = house
        ground = Ground(config=CONFIGURED, store=house.store, clock=clock)
        self._lane = lane_of_jobs(house.cron, desk=house.core.desk, ground=ground)
        self._given = 0

    async def says(
        self,
        words: str,
        *,
        by: str = OWNER,
        chat: str = CHAT,
        again: bool = False,
        barred: bool = False,
        reader: Reader = ENGLISH,
    ) -> str:
        """The answer to `/cron WORDS`; `again`: a crash came before the last was answered.

        `barred`: whoever gives it belongs to another organisation.
        """
        self._given += not again
        row = await self._row(words, by, chat)
        row = replace(row, content=replace(row.content, barred=barred)) if barred else row
        return await self._lane.handle(row, reader)

    async def _row(self, words: str, by: str, chat: str) -> Waiting:
        content = Content(
            kind="command",
            author=by,
            author_name=by.removeprefix("telegram:"),
            reply_to=chat,
            command="cron",
            args=words,
        )
        arrival = inbox.Arrival(
            account="telegram:77",
            delivery_key=f"c{self._given}",
            logical_key=f"c{self._given}",
            state="new",
            reason=None,
            lane="now",
            session_key=f"telegram:77|{chat}",
            chat=chat,
            message_id=None,
            author=by,
            order=(self._given, 0),
            occurred_at=START,
            received_at=START,
            content=content,
            raw="",
        )
        await write(self.house.store, lambda tx: inbox.insert(tx, arrival))
        rows = await self.house.store.read(inbox.waiting_now)
        return rows[-1]


@pytest.fixture
async def lane(store: SqliteStore, tmp_path: Path, clock: HandClock) -> AsyncIterator[Lane]:
    """A gateway with the job standup of the configuration."""
    house = CronHouse(store, tmp_path, clock, config=CONFIGURED)
    await house.open(job(timezone="Europe/Berlin"))
    yield Lane(house, clock)
    await house.close()


async def test_jobs_of_a_chat_that_moved_are_known_there(lane: Lane) -> None:
    """Though the configuration names the address of before."""
    await write(
        lane.house.store,
        lambda tx: listed.add_alias(tx, "telegram:77", CHAT, "telegram:-900", now=1),
    )
    assert "standup" in await lane.says("list", by=OTHER, chat="telegram:-900")
    assert "standup" not in await lane.says("list", by=OTHER, chat="telegram:-901")


async def test_anyone_lists_what_is_for_their_chat(lane: Lane) -> None:
    """Owners see what is for others too."""
    line = "- `standup` (0 * * * *, Europe/Berlin): next Thu 2025-10-09 11:00 CEST"
    assert await lane.says("", by=OTHER) == line
    assert await lane.says("list", by=OTHER, chat="telegram:1002") == "There are no jobs here."
    assert await lane.says("list", chat="telegram:1001") == f"{line}, for {CHAT}"


async def test_the_next_times_of_a_job(lane: Lane) -> None:
    """Three of them, in its own zone."""
    assert await lane.says("next standup", by=OTHER) == (
        "- Thu 2025-10-09 11:00 CEST\n- Thu 2025-10-09 12:00 CEST\n- Thu 2025-10-09 13:00 CEST"
    )
    assert await lane.says("next nobody") == "There is no job nobody."


VERBS = ("next", "run", "pause", "resume", "remove")
ELSEWHERE = "telegram:-100300"


@pytest.mark.parametrize("verb", VERBS)
async def test_a_job_of_another_chat_does_not_exist(lane: Lane, verb: str) -> None:
    """What there is and what there is not are answered alike; owners know of it everywhere."""
    for name in ("standup", "nobody"):
        said = await lane.says(f"{verb} {name}", by=OTHER, chat=ELSEWHERE)
        assert said == f"There is no job {name}."
    barred = await lane.says(f"{verb} standup", chat=ELSEWHERE, barred=True)
    assert barred == "There is no job standup."
    assert (await lane.house.job()).state == "active"
    assert await lane.house.fires() == []
    assert "no job" not in await lane.says(f"{verb} standup", chat=ELSEWHERE)


async def test_whoever_made_a_job_knows_of_it_in_every_chat(lane: Lane) -> None:
    """Their own is listed, shown and changed where it does not post; for others it is not there."""
    made = replace(await lane.house.job(), name="mine", source="chat", maker=OTHER)
    await write(lane.house.store, lambda tx: cron.put(tx, made))
    here = {"by": OTHER, "chat": ELSEWHERE}
    line = "- `mine` (0 * * * *, Europe/Berlin): next Thu 2025-10-09 11:00 CEST"
    assert await lane.says("", **here) == f"{line}, for {CHAT}"
    assert await lane.says("", by=THIRD, chat=ELSEWHERE) == "There are no jobs here."
    assert await lane.says("next mine", by=THIRD, chat=ELSEWHERE) == "There is no job mine."
    assert (await lane.says("next mine", **here)).startswith("- Thu 2025-10-09 11:00 CEST\n")
    assert (await lane.says("pause mine", **here)).startswith("mine is paused")


@pytest.mark.parametrize("verb", VERBS[1:])
async def test_who_did_not_make_a_job_changes_nothing_of_it(lane: Lane, verb: str) -> None:
    """Only owners, where it stands in the configuration."""
    refused = await lane.says(f"{verb} standup", by=OTHER)
    assert refused == "Only owners may do that to standup."
    assert (await lane.house.job()).state == "active"
    assert await lane.house.fires() == []


async def test_an_owner_in_another_organisation_changes_nothing(lane: Lane) -> None:
    """However they are listed; what is for other chats is not shown to them either."""
    refused = "Only owners may do that to standup."
    assert await lane.says("pause standup", barred=True) == refused
    assert await lane.says('add "0 9 * * *" Hello', barred=True) == (
        "Only owners add jobs by command. Ask me for it in words: I then ask the owners, if I have"
        " the tool for it."
    )
    assert await lane.says("list", chat="telegram:1001", barred=True) == "There are no jobs here."
    assert (await lane.house.job()).state == "active"


async def test_an_owner_adds_runs_pauses_resumes_and_removes(lane: Lane) -> None:
    """The new job posts in its chat; what it was asked for is said in a sentence each."""
    made = await lane.says('add "0 9 * * mon-fri" Say good morning to all!')
    assert made == (
        "`say-good-morning` is made; first Thu 2025-10-09 09:00 UTC. What it writes is posted here."
    )
    lane.house.core.answers("Good morning.")
    assert await lane.says("run say-good-morning") == "say-good-morning runs now (f1)."
    await lane.house.look()
    await lane.house.core.shows("Good morning.", chat="-100200")
    paused = await lane.says("pause say-good-morning")
    assert paused == "say-good-morning is paused. What waits of it still runs."
    listed = await lane.says("list")
    assert "`say-good-morning` (0 9 * * mon-fri, UTC): paused by 1001" in listed
    resumed = await lane.says("resume say-good-morning")
    assert resumed == "say-good-morning goes on; first Thu 2025-10-09 09:00 UTC."
    removed = await lane.says("remove say-good-morning")
    assert removed == "say-good-morning is removed. What runs of it goes on to its end."
    assert "good-morning" not in await lane.says("list")


async def test_no_key_from_outside_is_that_of_a_command(lane: Lane) -> None:
    """Whoever signs for a hook can't take a command's place with a key that looks like its row."""
    lane.house.core.answers(*["Done."] * 16)
    for number in range(1, 6):
        for key in (f"e{number}", f"row{number}", f"row_{number}"):
            taken = await lane.house.cron.fire_now("standup", by="hook", key=key, data="x")
            assert isinstance(taken, Fired)
    assert (await lane.says("run standup")).startswith("standup runs now")


async def test_a_configured_job_is_removed_where_it_stands(lane: Lane) -> None:
    """It would be back with the next start."""
    assert "stands in the configuration" in await lane.says("remove standup")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("frobnicate standup", said.USAGE.to(ENGLISH)),
        ("add tomorrow do it", 'Write `/cron add "0 9 * * mon-fri" TEXT`: when, in quotes, and'),
        ('add "0 25 * * *" Do it!', "Hour"),
        ('add "at 2020-01-01T09:00" Do it!', "That time is over"),
        ("resume standup", "standup is not paused."),
    ],
)
async def test_what_can_not_be_done_is_said_plainly(lane: Lane, words: str, answer: str) -> None:
    """With what to write instead."""
    assert (await lane.says(words)).startswith(answer)


async def test_jobs_are_told_in_german(lane: Lane) -> None:
    """List, changes and refusals; names, schedules and times stay as they are."""
    german = Reader(language="de", mark="!")
    assert "`standup` (" in (listed_jobs := await lane.says("list", reader=german))
    assert "nächstes Mal " in listed_jobs
    assert await lane.says("pause standup", reader=german) == (
        "standup ruht. Was davon wartet, läuft noch."
    )
    assert await lane.says("next standup", reader=german) == "standup: angehalten von 1001."
    assert (await lane.says("resume standup", reader=german)).startswith(
        "standup geht weiter; zuerst "
    )
    assert await lane.says("resume standup", reader=german) == "standup ruht nicht."
    assert "`!cron add" in await lane.says("add", reader=german)
    assert await lane.says("run nope", reader=german) == "Einen Auftrag nope gibt es nicht."
    assert (await lane.says('add "@daily" Do it!', reader=german)).startswith(
        "`do-it` ist angelegt;"
    )


async def test_others_ask_for_a_job_in_words(lane: Lane) -> None:
    """Adding by command is an owner's; the agent asks the owners with a card."""
    assert "Only owners add jobs by command" in await lane.says('add "@daily" Do it!', by=OTHER)


async def test_a_crash_before_its_answer_repeats_no_command(lane: Lane) -> None:
    """Neither a second job nor a second run."""
    made = await lane.says('add "@daily" Do it!')
    assert await lane.says('add "@daily" Do it!', again=True) == made
    jobs = await lane.house.store.read(cron.every)
    assert [each.name for each in jobs] == ["do-it", "standup"]
    lane.house.core.answers("Done.")
    runs = await lane.says("run do-it")
    assert await lane.says("run do-it", again=True) == runs
    assert len(await lane.house.fires("do-it")) == 1
