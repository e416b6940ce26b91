"""The commands with their arguments and help; each imports what it does only when it runs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.access_commands import access_app
from gateway.cli.cron_commands import cron_app
from gateway.cli.desk_commands import desk_app
from gateway.cli.key_commands import key_app
from gateway.cli.options import ConfigOption, JsonOption

app = typer.Typer(
    name="gatepost",
    help="One agent in Slack, Discord, Telegram, a web page and this terminal.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(
    help="About the configuration file.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(config_app, name="config")


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    """One agent in Slack, Discord, Telegram, a web page and this terminal."""
    if version:
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as installed

        try:
            print(f"gatepost {installed('gatepost')}")
        except PackageNotFoundError:
            print("gatepost, run from its sources without being installed")
        raise typer.Exit


@app.command(epilog="Example: gatepost run --config /etc/gatepost/gatepost.toml")
def run(
    config: ConfigOption = None,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="Log lines for people or for programs.")
    ] = LogFormat.TEXT,
    demo: Annotated[
        bool, typer.Option("--demo", help="Answer from a script instead of a model.")
    ] = False,
) -> None:
    """Run the gateway until it is told to stop (Ctrl-C or SIGTERM; a second one stops at once)."""
    from gateway.cli.run import run as start

    raise typer.Exit(start(config, log_format=log_format.value, demo=demo))


@app.command(epilog="Example: gatepost check --config gatepost.toml --online")
def check(
    config: ConfigOption = None,
    online: Annotated[
        bool,
        typer.Option("--online", help="Also ask each platform and provider who we are there."),
    ] = False,
) -> None:
    """Check the configuration; every fault is one line with its key and its fix (exit code 78)."""
    from gateway.cli.check import check as look

    raise typer.Exit(look(config, online=online))


@config_app.command("schema", epilog="Example: gatepost config schema > gatepost.schema.json")
def config_schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    from gateway.cli.schema import schema

    raise typer.Exit(schema())


@app.command(epilog='Example: gatepost chat --once "What can you do?"')
def chat(
    config: ConfigOption = None,
    once: Annotated[
        str | None,
        typer.Option("--once", metavar="TEXT", help="Say one thing, print the answer, exit."),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Another conversation of yours.")
    ] = "",
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", metavar="FILE", help="Send a file with --once; repeatable."),
    ] = None,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="Without a running gateway: answer from a script."),
    ] = False,
) -> None:
    """Talk to the agent here; through the running gateway, or one of its own if none runs.

    Ctrl-C stops an answer, twice leaves. Without a terminal, each line of the input is a message.
    A running gateway that goes away is waited for: at a terminal until you leave, else a minute.
    """
    from gateway.cli.chat import chat as talk

    raise typer.Exit(talk(config, once=once, name=name, demo=demo, files=files or ()))


@app.command(epilog='Example: gatepost send slack:T1/C1 "The build is green." --key build-512')
def send(
    chat: Annotated[
        str,
        typer.Argument(metavar="CHAT", help="Such as telegram:-100200, or a destination's name."),
    ],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Markdown; - reads the input.")] = "",
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", metavar="FILE", help="Goes along; as often as there are files."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KEY", help="The same key again sends nothing again."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Send a message to a chat, verbatim; on disk when this exits with 0.

    Exit code 75: not now; the same with the same --key later sends it once.
    """
    if not text and not file:
        raise typer.BadParameter("give a TEXT, a --file, or both")
    from gateway.cli.send import send as hand_over

    raise typer.Exit(hand_over(config, chat=chat, text=text, key=key, files=file or ()))


@app.command(epilog="Example: gatepost trigger nightly --key build-512 --data report.json")
def trigger(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Its name.")],
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KEY", help="The same key again runs nothing again."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FILE", help="Text for the run to read; - is the input."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Run a job now, besides its times; on disk when this exits with 0.

    Exit code 75: not now; the same with the same --key later runs it once.
    """
    from gateway.cli.trigger import trigger as run_now

    raise typer.Exit(run_now(config, job=job, key=key, data=data))


@app.command(epilog="Example: gatepost status --watch")
def status(
    config: ConfigOption = None,
    as_json: JsonOption = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every two seconds until Ctrl-C.")
    ] = False,
) -> None:
    """Show the running gateway. Exit code 0: all is well, 1: not running, 2: something is not."""
    from gateway.cli.status import status as look

    raise typer.Exit(look(config, as_json=as_json, watch=watch))


@app.command(epilog="Example: gatepost why telegram:-100200/55")
def why(
    ident: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="An event, turn or delivery, a message; an approval's code, a call, a hold.",
        ),
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain what became of a message, an approval or a call, and why."""
    from gateway.cli.why import why as explain

    raise typer.Exit(explain(config, ident=ident, as_json=as_json))


@app.command(epilog="Example: gatepost backup --keep 14 /var/lib/gatepost-backup")
def backup(
    target: Annotated[
        Path,
        typer.Argument(metavar="DEST", help="A new .tar file, or a directory for one."),
    ],
    config: ConfigOption = None,
    keep: Annotated[
        int | None,
        typer.Option("--keep", metavar="N", min=1, help="In a directory: keep the newest N."),
    ] = None,
) -> None:
    """Copy everything the gateway knows into one file, while it runs or not."""
    from gateway.cli.backup import backup as copy

    raise typer.Exit(copy(config, target=target, keep=keep))


@app.command(epilog="Example: gatepost restore gatepost-20260101T033000Z.tar")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What gatepost backup made.")],
    config: ConfigOption = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Put aside what the state directory holds."),
    ] = False,
) -> None:
    """Put a backup into the state directory; stop the gateway first."""
    from gateway.cli.backup import restore as put_back

    raise typer.Exit(put_back(config, file=file, replace=replace))


@app.command(epilog="Example: gatepost doctor --offline")
def doctor(
    config: ConfigOption = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no platform and no provider.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check everything and say what to do. Exit code 0: all is well, 1: warnings, 2: errors."""
    from gateway.cli.doctor import doctor as examine

    raise typer.Exit(examine(config, offline=offline, as_json=as_json))


app.add_typer(cron_app, name="cron")
app.add_typer(desk_app)
app.add_typer(key_app)
app.add_typer(access_app)
