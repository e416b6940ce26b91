"""The page of jobs as HTML: when each fires next, and what became of its last runs. Pure."""

from datetime import datetime

from gateway.web.jobs import JobRun, JobSheet
from gateway.web.times import until
from platforms.web.html import Html, el, join

NONE = (
    "There are no jobs, or none that you may see. Jobs stand under [[cron]] in the configuration."
)


def jobs_content(jobs: tuple[JobSheet, ...], *, now: datetime) -> Html:
    """The whole page."""
    if not jobs:
        return join(el("h1", None, "Jobs"), el("p", {"class": "quiet"}, NONE))
    return join(el("h1", None, "Jobs"), *(_job(job, now) for job in jobs))


def _job(job: JobSheet, now: datetime) -> Html:
    when = job.schedule or "when a signed request comes, or somebody asks"
    by = f", made by {job.maker}" if job.maker else ""
    return el(
        "section",
        {"class": "sheet"},
        el("h2", None, el("bdi", None, job.name)),
        el(
            "p",
            {"class": "quiet"},
            el("code", None, when) if job.schedule else when,
            f" ({job.zone}), for ",
            el("bdi", None, job.deliver),
            el("bdi", None, by) if by else None,
        ),
        _next(job, now),
        el("details", None, el("summary", None, "What it is told"), el("p", None, job.prompt)),
        _runs(job.runs),
    )


def _next(job: JobSheet, now: datetime) -> Html | None:
    if job.rests:
        return el("p", None, el("strong", {"class": "warn"}, "It does not fire: "), job.rests)
    if not job.upcoming:
        return None
    first, *others = job.upcoming
    left = until(first, now)
    when = f", {left}" if left == "any moment" else f", in {left}"
    then = [join("; then " if at == others[0] else ", ", _time(at)) for at in others]
    return el("p", None, el("strong", None, "Next: ", _time(first)), when, *then, ".")


def _runs(runs: tuple[JobRun, ...]) -> Html:
    if not runs:
        return el("p", {"class": "quiet"}, "It has not run yet.")
    return join(
        el("p", {"class": "quiet"}, "Last runs"),
        el("ul", {"class": "limits"}, *(_run(run) for run in runs)),
    )


def _run(run: JobRun) -> Html:
    missed = f" (and {run.missed} more)" if run.missed else ""
    return el(
        "li",
        None,
        el(
            "div",
            {"class": "said-of"},
            el("span", None, el("strong", None, run.fire), " ", _time(run.at)),
            el(
                "span",
                None,
                run.state.replace("_", " "),
                ": " if run.reason else None,
                el("bdi", None, run.reason) if run.reason else None,
                missed,
            ),
        ),
    )


def _time(at: datetime) -> Html:
    """A time by the job's own clock."""
    shown = f"{at:%a %Y-%m-%d %H:%M %Z}"
    return el("time", {"datetime": at.isoformat(timespec="seconds")}, shown)
