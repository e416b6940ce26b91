"""The commands about who gets in, with their arguments and help."""

from typing import Annotated, Literal

import typer

from gateway.cli.options import ConfigOption, JsonOption

access_app = typer.Typer(rich_markup_mode=None)
pair_app = typer.Typer(
    help="Who may talk to the bot directly, besides [access] users.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
access_app.add_typer(pair_app, name="pair")

WhomArgument = Annotated[
    str, typer.Argument(metavar="CODE|PERSON", help="Such as K7QF-2M9P, or telegram:1001.")
]


@pair_app.command("list", epilog="Example: gatepost pair list --json")
def pair_list(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List who asks to be let in, and who was let in, denied or blocked."""
    from gateway.cli.access import pairings

    raise typer.Exit(pairings(config, as_json=as_json))


@pair_app.command("allow", epilog="Example: gatepost pair allow K7QF-2M9P")
def pair_allow(whom: WhomArgument, config: ConfigOption = None) -> None:
    """Let somebody talk directly; what they wrote is answered. Exit code 1: they were not."""
    _decide("allow", whom, config)


@pair_app.command("deny", epilog="Example: gatepost pair deny K7QF-2M9P")
def pair_deny(whom: WhomArgument, config: ConfigOption = None) -> None:
    """Turn somebody away, who may ask again in a day; takes an earlier leave back."""
    _decide("deny", whom, config)


@pair_app.command("block", epilog="Example: gatepost pair block telegram:1001")
def pair_block(whom: WhomArgument, config: ConfigOption = None) -> None:
    """Ignore somebody everywhere, until they are allowed."""
    _decide("block", whom, config)


@pair_app.command("owner", epilog="Example: gatepost pair owner")
def pair_owner(
    config: ConfigOption = None,
    as_json: JsonOption = False,
    listed: Annotated[bool, typer.Option("--list", help="List who owns the gateway.")] = False,
    remove: Annotated[
        str | None,
        typer.Option("--remove", metavar="PERSON", help="Let PERSON be no owner any more."),
    ] = None,
) -> None:
    """Print a code; whoever sends it to the bot in a private chat owns the gateway."""
    from gateway.cli import owners

    if remove is not None:
        raise typer.Exit(owners.remove_owner(config, remove))
    if listed:
        raise typer.Exit(owners.list_owners(config, as_json=as_json))
    raise typer.Exit(owners.owner_code(config, as_json=as_json))


def _decide(verb: Literal["allow", "deny", "block"], whom: str, config: ConfigOption) -> None:
    from gateway.cli.access import decide_pairing

    raise typer.Exit(decide_pairing(config, verb=verb, whom=whom))
