"""The commands about approvals, money, leave and the audit, with their arguments and help."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import ConfigOption, JsonOption

desk_app = typer.Typer(rich_markup_mode=None)
estimators_app = typer.Typer(
    help="Tools whose estimate was too low.", no_args_is_help=True, rich_markup_mode=None
)
audit_app = typer.Typer(
    help="The record of every decision and every cent.", no_args_is_help=True, rich_markup_mode=None
)
desk_app.add_typer(estimators_app, name="estimators")
desk_app.add_typer(audit_app, name="audit")


class Split(StrEnum):
    """What a sum is split by."""

    CHAT = "chat"
    REQUESTER = "requester"
    WHAT = "what"
    KIND = "kind"
    PAYER = "payer"


CodeArgument = Annotated[str, typer.Argument(metavar="CODE", help="Five letters and digits.")]
PlaceArgument = Annotated[
    str, typer.Argument(metavar="[CHAT|all]", help="Such as slack:T1/C1; all is everywhere.")
]
SourceArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[PATH]", help="A stopped state directory or a backup, in place of the gateway."
    ),
]
ItemOption = Annotated[
    int, typer.Option("--item", metavar="N", min=0, max=63, help="One call of several.")
]


@desk_app.command(epilog="Example: gatepost approvals --json")
def approvals(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List what waits for a decision, what closes first in front."""
    from gateway.cli.approvals import approvals as listed

    raise typer.Exit(listed(config, as_json=as_json))


@desk_app.command(epilog="Example: gatepost show K7Q2F")
def show(code: CodeArgument, config: ConfigOption = None) -> None:
    """Print an approval whole: every byte that would run."""
    from gateway.cli.approvals import show as shown

    raise typer.Exit(shown(config, code=code))


@desk_app.command(epilog="Example: gatepost approve K7Q2F")
def approve(
    code: CodeArgument,
    again: Annotated[
        str | None,
        typer.Argument(metavar="[CODE]", help="The same once more, where that is asked for."),
    ] = None,
    item: ItemOption = 0,
    at_most: Annotated[
        str,
        typer.Option("--at-most", metavar="AMOUNT", help="Dollars, where the price is unknown."),
    ] = "",
    config: ConfigOption = None,
) -> None:
    """Approve once, as the owner of this machine. Exit code 1: it was not approved."""
    from gateway.cli.approvals import decide

    if again is not None and again.upper() != code.upper():
        raise typer.BadParameter("the second code must be the first one again")
    raise typer.Exit(
        decide(
            config,
            verb="approve",
            code=code,
            item=item,
            at_most=at_most,
            confirmed=again is not None,
        )
    )


@desk_app.command(epilog='Example: gatepost deny K7Q2F "use the small machine"')
def deny(
    code: CodeArgument,
    reason: Annotated[
        str, typer.Argument(metavar="[REASON]", help="Why; the model reads it.")
    ] = "",
    item: ItemOption = 0,
    config: ConfigOption = None,
) -> None:
    """Deny; the model is told, and goes on. Exit code 1: it was not denied."""
    from gateway.cli.approvals import decide

    raise typer.Exit(decide(config, verb="deny", code=code, words=reason, item=item))


@desk_app.command(epilog="Example: gatepost answer K7Q2F skip")
def answer(
    code: CodeArgument,
    words: Annotated[
        str,
        typer.Argument(
            metavar="WORDS",
            help="An answer, or its number; of a call that may have run: done, again or skip.",
        ),
    ],
    config: ConfigOption = None,
) -> None:
    """Answer a question, say what became of a call in doubt, or answer in place of a call."""
    from gateway.cli.approvals import decide

    raise typer.Exit(decide(config, verb="answer", code=code, words=words))


@desk_app.command(epilog="Example: gatepost spend --month --by requester")
def spend(
    config: ConfigOption = None,
    day: Annotated[bool, typer.Option("--day", help="Today, which is the default.")] = False,
    month: Annotated[bool, typer.Option("--month", help="This month.")] = False,
    by: Annotated[
        Split | None, typer.Option("--by", help="Split by this alone.", case_sensitive=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was spent and is held, the limits, and what stands in the way. Amounts in JSON are
    millionths of a dollar."""
    from gateway.cli.money import spend as shown

    if day and month:
        raise typer.BadParameter("give --day or --month, not both")
    split = by.value if by else ""
    raise typer.Exit(shown(config, month=month, by=split, as_json=as_json))


@desk_app.command(epilog="Example: gatepost freeze slack:T1/C1")
def freeze(place: PlaceArgument = "all", config: ConfigOption = None) -> None:
    """Stop all spending within a second, in one chat or everywhere; it survives a restart."""
    from gateway.cli.money import freeze as stop

    raise typer.Exit(stop(config, place=place))


@desk_app.command(epilog="Example: gatepost unfreeze all")
def unfreeze(place: PlaceArgument = "all", config: ConfigOption = None) -> None:
    """Let spending go on. Exit code 1: nothing was frozen there."""
    from gateway.cli.money import unfreeze as go_on

    raise typer.Exit(go_on(config, place=place))


@estimators_app.command("clear", epilog="Example: gatepost estimators clear hf_jobs")
def estimators_clear(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As gatepost spend lists it.")],
    config: ConfigOption = None,
) -> None:
    """Trust a tool's estimates again, after you have compared its bill."""
    from gateway.cli.money import clear

    raise typer.Exit(clear(config, name=name))


@desk_app.command(epilog="Example: gatepost grants --json")
def grants(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List what is allowed beforehand, /auto included, with what is left of it."""
    from gateway.cli.money import grants as listed

    raise typer.Exit(listed(config, as_json=as_json))


@desk_app.command(epilog="Example: gatepost revoke a1b2c3")
def revoke(
    ident: Annotated[str, typer.Argument(metavar="ID", help="As gatepost grants lists it.")],
    config: ConfigOption = None,
) -> None:
    """Take a grant or /auto back; it counts for calls that have not begun, too."""
    from gateway.cli.money import revoke as take_back

    raise typer.Exit(take_back(config, ident=ident))


@audit_app.command("verify", epilog="Example: gatepost audit verify /backup/gatepost-2026.tar")
def audit_verify(
    source: SourceArgument = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Check that no row was altered, removed or moved. Exit code 1: one was, and which."""
    from gateway.cli.audit import verify

    raise typer.Exit(verify(config, source=source, as_json=as_json))


@audit_app.command("head", epilog="Example: gatepost audit head >> /elsewhere/heads")
def audit_head(source: SourceArgument = None, config: ConfigOption = None) -> None:
    """Print the last row's number and hash: noted elsewhere, they show what is cut off later."""
    from gateway.cli.audit import head

    raise typer.Exit(head(config, source=source))


@audit_app.command("export", epilog="Example: gatepost audit export > audit.jsonl")
def audit_export(source: SourceArgument = None, config: ConfigOption = None) -> None:
    """Print every row as a line of JSON, oldest first, secrets removed."""
    from gateway.cli.audit import export

    raise typer.Exit(export(config, source=source))
