"""A desk and a book small enough to script, behind the real listener and the real pages."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import aiohttp

from agent.costs import Unknown, UnknownBecause
from gateway.card_view import Denied
from gateway.config import Listen, Secret, WebConfig
from gateway.errors import StoreError
from gateway.web import WebServer
from gateway.web.approvals import CardPage, Choice, QueueLine
from gateway.web.approvals_site import ApprovalPages
from gateway.web.frame import PLACES
from gateway.web.jobs import JobRun, JobSheet
from gateway.web.jobs_site import JobsPage
from gateway.web.spend import DaySpend, Frozen, LimitState, ModelCalls, Share, Spend
from gateway.web.spend_site import SpendPage
from platforms.content import Field
from platforms.web.client import WebAdapter
from tests.gateway.card_cases import BATCH, CARD, JOB
from tests.platforms.web.stand_in import StandInGateway

NOW = datetime(2026, 11, 21, 13, 41, tzinfo=UTC)
APPROVE = Choice(action="approve", label="Approve once, at most $2.09", style="primary")
DENY = Choice(action="deny", label="Deny", style="danger")
REASON = Choice(
    action="deny_reason",
    label="Deny with a reason",
    fields=(Field(name="reason", label="Reason, for the model", multiline=True),),
)
SCRIPT = "import torch\n\nfor epoch in range(3):\n\ttrain(epoch)\n"
EDIT = Choice(
    action="edit",
    label="Edit",
    about="What you change is judged and priced anew, and still needs its own Approve.",
    fields=(
        Field(name="script", label="script", text=SCRIPT, multiline=True, max_length=65_536),
        Field(name="timeout", label="timeout", text="45 min"),
    ),
)
STOP = Choice(action="stop", label="Deny and stop", confirm="End the whole turn?")
PAYER = Choice(action="payer", label="Pay with acme-prod", fixed={"payer": "acme-prod"})
PAGE = CardPage(
    view=CARD,
    rev=3,
    chat="#ml on Slack",
    choices=(APPROVE, DENY, REASON, EDIT, PAYER, STOP),
    rule_draft='[[policy]]\nid = "allow-k7q2f"\ntool = "hf_jobs"\nverdict = "allow"',
)
LINE = QueueLine(
    code="K7Q2F",
    kind="call",
    what="hf_jobs run",
    summary=JOB.summary,
    at_most=JOB.ceiling,
    asked_by="Dana",
    chat="#ml on Slack",
    closes_at=NOW + timedelta(minutes=51, seconds=30),
)
QUEUE = (
    LINE,
    replace(
        LINE,
        code="B2M8T",
        what="hf_jobs scheduled run",
        summary="nightly evaluation, every day at 02:00",
        at_most=Unknown(because=UnknownBecause.ENDLESS),
        closes_at=NOW + timedelta(hours=23, minutes=2),
    ),
    replace(
        LINE,
        code="X9P4R",
        kind="question",
        what="ask_user",
        summary="Which split?",
        at_most=0,
        chat="web chat",
        closes_at=None,
    ),
)
BATCH_PAGE = CardPage(
    view=replace(BATCH, code="M3X9P"),
    rev=1,
    choices=(
        Choice(action="approve_all", label="Approve all, at most $2.33", style="primary"),
        Choice(action="deny", label="Deny all", style="danger"),
    ),
    item_choices={
        number: (
            replace(APPROVE, label="Approve this one", fixed={"item": str(number)}),
            replace(DENY, fixed={"item": str(number)}),
        )
        for number in (1, 2, 3)
    },
)
SPEND = Spend(
    days=tuple(
        DaySpend(
            day=date(2026, 11, 21) - timedelta(days=29 - number),
            amount=(number * 37 % 11) * 730_000 if number % 7 < 5 else 0,
        )
        for number in range(30)
    ),
    chats=(
        Share(name="#ml on Slack", amount=61_200_000),
        Share(name="release notes, web chat", amount=9_450_000),
        Share(name="Telegram: Ops", amount=41_000),
    ),
    people=(Share(name="Dana", amount=52_100_000), Share(name="Ann", amount=18_591_000)),
    models=(Share(name="gpt-5", amount=24_300_000), Share(name="claude", amount=3_100_000)),
    calls=(
        ModelCalls(
            model="gpt-5",
            calls=1_204,
            failed=7,
            uncounted=2,
            input=9_100_000,
            cached=4_000_000,
            output=310_000,
            written=12_345,
            reasoning=90_000,
            amount=24_300_000,
            held=120_000,
            open=1,
        ),
        ModelCalls(
            model="own",
            calls=3,
            failed=0,
            uncounted=3,
            input=None,
            cached=None,
            output=None,
            written=None,
            reasoning=None,
            amount=0,
            held=0,
            open=0,
        ),
    ),
    tools=(Share(name="hf_jobs", amount=41_800_000), Share(name="web_search", amount=1_491_000)),
    limits=(
        LimitState(
            name="#ml on Slack, today",
            limit=10_000_000,
            settled=7_900_000,
            held=1_700_000,
            ends_at=NOW + timedelta(hours=10, minutes=19),
        ),
        LimitState(
            name="Dana, today",
            limit=15_000_000,
            settled=1_200_000,
            held=2_090_000,
            raised=5_000_000,
            ends_at=NOW + timedelta(hours=10, minutes=19),
        ),
        LimitState(
            name="Background, today",
            limit=2_000_000,
            settled=2_140_000,
            held=0,
            ends_at=NOW + timedelta(hours=10, minutes=19),
        ),
        LimitState(
            name="Everything, November 2026",
            limit=200_000_000,
            settled=70_691_000,
            held=3_790_000,
            ends_at=NOW + timedelta(days=9, hours=10),
        ),
    ),
    freezes=(
        Frozen(
            where="Telegram: Ops",
            by="velocity alarm",
            since=NOW - timedelta(hours=1),
            reason="$4.10 in 10 min",
        ),
    ),
    unpriced=2,
)


BERLIN = ZoneInfo("Europe/Berlin")
SHEETS = (
    JobSheet(
        name="standup",
        schedule="0 9 * * mon-fri",
        zone="Europe/Berlin",
        deliver="slack:T1/C1",
        prompt="Summarise yesterday's open questions.",
        upcoming=tuple(datetime(2026, 11, day, 9, tzinfo=BERLIN) for day in (23, 24, 25)),
        runs=(
            JobRun(fire="f7", at=datetime(2026, 11, 20, 9, tzinfo=BERLIN), state="delivered"),
            JobRun(
                fire="f6",
                at=datetime(2026, 11, 19, 9, tzinfo=BERLIN),
                state="skipped",
                reason="missed",
                missed=2,
            ),
        ),
    ),
    JobSheet(
        name="deploys",
        schedule="",
        zone="UTC",
        deliver="telegram:-100200",
        prompt="Say in one line what was deployed.",
    ),
    JobSheet(
        name="watch-the-queue",
        schedule="every 15m",
        zone="UTC",
        deliver="discord:9/42",
        prompt="Look after the queue.",
        maker="Dana",
        rests="paused by Dana",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What the desk was asked to do."""

    code: str
    rev: int
    action: str
    values: Mapping[str, str]
    by: str


@dataclass(slots=True)
class StandInDesk:
    """Fulfils `ApprovalsDesk`, `SpendBook` and `JobBook`; a denial closes its card."""

    queue: tuple[QueueLine, ...] = QUEUE
    pages: dict[str, CardPage] = field(default_factory=lambda: {"K7Q2F": PAGE, "M3X9P": BATCH_PAGE})
    spent: Spend = SPEND
    sheets: tuple[JobSheet, ...] = SHEETS
    acts: list[Act] = field(default_factory=list)
    asked_days: list[int] = field(default_factory=list)
    viewers: set[str] = field(default_factory=set)
    readable: bool = True
    storable: bool = True

    async def open_cards(self, *, by: str) -> tuple[QueueLine, ...]:
        """`ApprovalsDesk.open_cards`."""
        self._look(by)
        return self.queue

    async def card(self, code: str, *, by: str) -> CardPage | None:
        """`ApprovalsDesk.card`."""
        self._look(by)
        return self.pages.get(code)

    async def act(
        self, code: str, rev: int, action: str, values: Mapping[str, str], *, by: str
    ) -> str:
        """`ApprovalsDesk.act`."""
        if not self.storable:
            raise StoreError("the disk is full")
        self.acts.append(Act(code=code, rev=rev, action=action, values=values, by=by))
        page = self.pages[code]
        if action == "deny":
            view = replace(page.view, outcome=Denied(by="you", at="13:41"))
            self.pages[code] = replace(page, view=view, choices=(), rule_draft="")
            return "Denied. The model is told."
        return f"Done: {action}."

    async def spend(self, *, days: int, by: str) -> Spend:
        """`SpendBook.spend`."""
        self._look(by)
        self.asked_days.append(days)
        return self.spent

    async def jobs(self, *, by: str) -> tuple[JobSheet, ...]:
        """`JobBook.jobs`."""
        self._look(by)
        return self.sheets

    def _look(self, by: str) -> None:
        if not self.readable:
            raise StoreError("the store is away")
        self.viewers.add(by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The pages, up: their address, the desk behind them, and a client on them."""

    url: str
    desk: StandInDesk
    client: aiohttp.ClientSession


@asynccontextmanager
async def running_pages(
    desk: StandInDesk | None = None,
    *,
    token: str | None = None,
    now: Callable[[], datetime] = lambda: NOW,
) -> AsyncIterator[Pages]:
    """Chat, approvals, spend and jobs on a free port of this machine."""
    desk, gateway = desk or StandInDesk(), StandInGateway()
    adapter = WebAdapter(
        history=gateway,
        secret=b"test",
        now=now,
        new_id=lambda: str(uuid4()),
        keep=gateway.keep,
        places=PLACES[1:],
    )
    approvals = ApprovalPages(desk, draw=lambda: str(uuid4()), now=now)
    beside = (approvals, SpendPage(desk, now=now), JobsPage(desk, now=now))
    routes = (*adapter.routes(), *(route for page in beside for route in page.routes()))
    listen = Listen(host="127.0.0.1", port=0)
    config = WebConfig(listen=listen, token=Secret(token) if token else None)
    server = WebServer(config, routes=routes, health=gateway, now=now)
    await server.start()
    taking = asyncio.create_task(adapter.run(gateway.ingest))
    jar = aiohttp.CookieJar(unsafe=True)
    try:
        async with aiohttp.ClientSession(server.url, cookie_jar=jar) as client:
            yield Pages(url=server.url, desk=desk, client=client)
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await adapter.close()
        await server.stop()
