"""The commands about jobs, with their arguments and help."""

from typing import Annotated

import typer

from gateway.cli.options import ConfigOption, JsonOption

cron_app = typer.Typer(
    help="Jobs: what runs at certain times.", no_args_is_help=True, rich_markup_mode=None
)


@cron_app.command("next", epilog="Example: gatepost cron next standup --count 10")
def upcoming(
    job: Annotated[str | None, typer.Argument(metavar="[JOB]", help="Its name; else all.")] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", metavar="N", min=1, max=1000, help="How many times of each."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print when jobs fire next, by their own clock and in UTC; no gateway need run."""
    from gateway.cli.cron import cron_next

    raise typer.Exit(cron_next(config, job=job, count=count, as_json=as_json))


@cron_app.command("list", epilog="Example: gatepost cron list --json")
def listed(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the jobs of the running gateway: when, for which chat, what became of the last run."""
    from gateway.cli.jobs import list_jobs

    raise typer.Exit(list_jobs(config, as_json=as_json))


@cron_app.command(
    epilog='Example: gatepost cron add "0 9 * * mon-fri" "Sum up yesterday." --deliver slack:T1/C1'
)
def add(
    schedule: Annotated[str, typer.Argument(help='When, as in "0 9 * * mon-fri" or "every 2h".')],
    text: Annotated[str, typer.Argument(help="What the agent is told each time.")],
    *,
    deliver: Annotated[
        str, typer.Option("--deliver", metavar="CHAT", help="Where its answer is posted.")
    ],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Its name; else one from its words.")
    ] = "",
    timezone: Annotated[
        str, typer.Option("--timezone", metavar="ZONE", help="Of its times; else the gateway's.")
    ] = "",
    config: ConfigOption = None,
) -> None:
    """Make a job in the running gateway; it stays until it is removed."""
    from gateway.cli.jobs import add_job

    raise typer.Exit(
        add_job(
            config, schedule=schedule, prompt=text, deliver=deliver, name=name, timezone=timezone
        )
    )


@cron_app.command(epilog="Example: gatepost cron run standup")
def run(job: Annotated[str, typer.Argument(help="Its name.")], config: ConfigOption = None) -> None:
    """Run a job now, besides its times; the same as `gatepost trigger JOB`."""
    from gateway.cli.trigger import trigger

    raise typer.Exit(trigger(config, job=job, key=None, data=None))


@cron_app.command(epilog="Example: gatepost cron pause standup")
def pause(
    job: Annotated[str, typer.Argument(help="Its name.")], config: ConfigOption = None
) -> None:
    """Let a job rest; its times come and go as skipped."""
    from gateway.cli.jobs import change_job

    raise typer.Exit(change_job(config, verb="pause", name=job))


@cron_app.command(epilog="Example: gatepost cron resume standup")
def resume(
    job: Annotated[str, typer.Argument(help="Its name.")], config: ConfigOption = None
) -> None:
    """Let a job go on from its next time."""
    from gateway.cli.jobs import change_job

    raise typer.Exit(change_job(config, verb="resume", name=job))


@cron_app.command(epilog="Example: gatepost cron remove say-good-morning")
def remove(
    job: Annotated[str, typer.Argument(help="Its name.")], config: ConfigOption = None
) -> None:
    """Remove a job that was made in a chat or with `add`."""
    from gateway.cli.jobs import change_job

    raise typer.Exit(change_job(config, verb="remove", name=job))
