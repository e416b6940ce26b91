"""Pure: jobs and schedules of the Hub in words for the model."""

from typing import TYPE_CHECKING

from agent.tools.hf_job_runs import FINAL

if TYPE_CHECKING:
    from huggingface_hub import JobInfo, ScheduledJobInfo


def stage_of(job: "JobInfo") -> str:
    """The stage as a word."""
    return str(getattr(job.status.stage, "value", job.status.stage))


def job_line(job: "JobInfo") -> str:
    """A job on one line."""
    flavor = getattr(job.flavor, "value", job.flavor)
    created = f"{job.created_at:%Y-%m-%d %H:%M}" if job.created_at else "?"
    return f"{job.id} {stage_of(job)} {flavor} since {created}: {' '.join(job.command or ())[:120]}"


def job_text(job: "JobInfo") -> str:
    """All that is known of a job."""
    lines = [job_line(job)]
    lines += [f"started {job.started_at:%Y-%m-%d %H:%M:%S} UTC"] if job.started_at else []
    lines += [f"finished {job.finished_at:%Y-%m-%d %H:%M:%S} UTC"] if job.finished_at else []
    lines += [f"message: {job.status.message[:300]}"] if job.status.message else []
    lines += [f"reachable at {url}" for url in job.status.expose_urls or ()]
    if stage_of(job) not in FINAL:
        lines.append("It goes on.")
    return "\n".join(lines)


def schedule_line(schedule: "ScheduledJobInfo") -> str:
    """A schedule on one line."""
    state = "suspended" if schedule.suspend else "active"
    flavor = getattr(schedule.job_spec.flavor, "value", schedule.job_spec.flavor)
    command = " ".join(schedule.job_spec.command or ())[:120]
    return f"{schedule.id} {state} {schedule.schedule} (UTC) {flavor}: {command}"


def schedule_text(schedule: "ScheduledJobInfo") -> str:
    """All that is known of a schedule."""
    last = schedule.status.last_job
    ran = f"\nlast run: job {last.id} at {last.at:%Y-%m-%d %H:%M} UTC" if last else ""
    return schedule_line(schedule) + ran
