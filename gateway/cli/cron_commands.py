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
    """Print when jobs fire next, in their own zone and in UTC; no gateway need run."""
    from gateway.cli.cron import cron_next

    raise typer.Exit(cron_next(config, job=job, count=count, as_json=as_json))
