"""The commands about the keys of models, with their arguments and help."""

from enum import StrEnum
from typing import Annotated

import typer

from gateway.cli.options import ConfigOption, JsonOption

key_app = typer.Typer(rich_markup_mode=None)
credentials_app = typer.Typer(
    help="The keys of models: which rest, which are given up.",
    rich_markup_mode=None,
    invoke_without_command=True,
)
key_app.add_typer(credentials_app, name="credentials")


class Service(StrEnum):
    """What somebody can log in to."""

    CODEX = "codex"
    ANTHROPIC = "anthropic"
    NOUS = "nous"
    XAI = "xai"


@key_app.command(epilog="Example: gatepost login codex")
def login(
    service: Annotated[Service, typer.Argument(help="Whose account it is.")],
    account: Annotated[
        str, typer.Option("--account", metavar="NAME", help="One of several log-ins, by its name.")
    ] = "",
    config: ConfigOption = None,
) -> None:
    """Log in to an account that serves models; the gateway may run meanwhile.

    It needs the vendor's leave; keys of an API don't. Nothing secret is printed.
    """
    from gateway.cli.login import login as log_in

    raise typer.Exit(log_in(config, service=service.value, account=account))


@credentials_app.callback(epilog="Example: gatepost credentials --json")
def credentials(
    context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List every key: what it rests for, why it is given up, when it was last of use."""
    if context.invoked_subcommand is not None:
        return
    from gateway.cli.credentials import credentials as listed

    raise typer.Exit(listed(config, as_json=as_json))


@credentials_app.command(epilog="Example: gatepost credentials retry main.2")
def retry(
    label: Annotated[
        str, typer.Argument(metavar="LABEL", help="As `gatepost credentials` has it.")
    ],
    config: ConfigOption = None,
) -> None:
    """Use a key again before its rest is over, or after it was given up and mended."""
    from gateway.cli.credentials import retry as again

    raise typer.Exit(again(config, label=label))
