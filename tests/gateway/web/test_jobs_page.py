"""The page of jobs: what it shows, to whom, and what it is made of."""

import re
from html import unescape
from pathlib import Path

from gateway.config.values import CronJob
from gateway.page_jobs import PageJobs
from gateway.store.sqlite import SqliteStore
from gateway.web.jobs import JobSheet
from gateway.web.jobs_html import jobs_content
from tests.gateway.cron_house import CronHouse, job
from tests.gateway.hand_clock import HandClock
from tests.gateway.web.desk import NOW, StandInDesk, running_pages


def words(html: str) -> str:
    """What a person reads."""
    text = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))
    return re.sub(r" ([,;:.])", r"\1", text)


async def test_every_job_with_its_times_and_runs() -> None:
    """By the job's own clock; what rests says so, and what never ran too."""
    async with running_pages() as pages:
        async with pages.client.get("/jobs") as answer:
            assert answer.status == 200
            html = await answer.text()
        text = words(html)
        for shown in (
            "0 9 * * mon-fri (Europe/Berlin), for slack:T1/C1",
            "Next: Mon 2026-11-23 09:00 CET, in 42 h 19 min; then Tue 2026-11-24 09:00 CET",
            "f7 Fri 2026-11-20 09:00 CET delivered",
            "f6 Thu 2026-11-19 09:00 CET skipped: missed (and 2 more)",
            "when a signed request comes, or somebody asks (UTC), for telegram:-100200",
            "It has not run yet.",
            "every 15m (UTC), for discord:9/42, made by Dana",
            "It does not fire: paused by Dana",
        ):
            assert shown in text
        assert '<time datetime="2026-11-23T09:00:00+01:00">' in html
        assert 'href="/jobs" aria-current="page"' in html
        assert pages.desk.viewers == {"web:local"}


def test_what_people_wrote_is_text() -> None:
    """A prompt is no part of the page."""
    sheet = JobSheet(name="a", schedule="@daily", zone="UTC", deliver="c", prompt="<b>x</b>")
    assert "<b>x" not in jobs_content((sheet,), now=NOW)
    assert "There are no jobs" in jobs_content((), now=NOW)


async def test_rows_that_can_not_be_read_are_said_so() -> None:
    """503 with a sentence."""
    desk = StandInDesk(readable=False)
    async with running_pages(desk) as pages, pages.client.get("/jobs") as answer:
        assert answer.status == 503
        assert "can't read its jobs" in (await answer.json())["error"]


async def test_owners_see_the_rows_and_nobody_else_does(
    store: SqliteStore, tmp_path: Path, clock: HandClock
) -> None:
    """The next times from the rows, the last runs with what became of them."""
    hook: CronJob = job("deploys", schedule=None)
    house = await CronHouse(store, tmp_path, clock).open(job(), hook)
    try:
        book = PageJobs(store=store, clock=clock, rights=house.core.desk.rules.rights)
        house.core.answers("All of it.")
        await house.later(400)
        assert await book.jobs(by="web:eve") == ()
        deploys, standup = await book.jobs(by="web:local")
        assert (deploys.name, deploys.schedule, deploys.upcoming) == ("deploys", "", ())
        assert standup.rests == "" and len(standup.upcoming) == 3
        assert [at.minute for at in standup.upcoming] == [0, 0, 0]
        assert [(run.fire, run.at.minute) for run in standup.runs] == [("f1", 0)]
    finally:
        await house.close()
