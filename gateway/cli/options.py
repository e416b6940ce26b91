"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration; else $GATEPOST_CONFIG, ./gatepost.toml,"
        " ~/.config/gatepost/gatepost.toml, /etc/gatepost/gatepost.toml, else built-in defaults.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
