"""`gatepost pair owner`: a code that makes whoever sends it an owner, and who is one."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.cli.approvals import told
from gateway.cli.asking import ask
from gateway.cli.place import state_dir
from gateway.cli.tables import print_json, print_table
from gateway.control_requests import AskOwners, MakeOwnerCode, RemoveOwner

Fields = Mapping[str, Any]

COLUMNS = ("person", "name (not verified)", "by")


def owner_code(config: Path | None, *, as_json: bool) -> int:
    """Print a fresh code and what to do with it."""
    made: Fields = ask(state_dir(config, os.environ), MakeOwnerCode())
    if as_json:
        print_json(made)
        return 0
    print(f"\n    {made['code']}\n")
    print("Send this code to the bot in a private chat, within ten minutes: it is good once.")
    print("The account it comes from owns this gateway from then on.")
    return 0


def list_owners(config: Path | None, *, as_json: bool) -> int:
    """Print who is an owner, of the file and by a code."""
    owners: list[Fields] = ask(state_dir(config, os.environ), AskOwners())
    if as_json:
        print_json(owners)
    elif not owners:
        print("No owner yet: run gatepost pair owner.")
    else:
        print_table(COLUMNS, [_row(each) for each in owners])
    return 0


def remove_owner(config: Path | None, person: str) -> int:
    """Let somebody be no owner any more; 1 if nothing changed."""
    return told(ask(state_dir(config, os.environ), RemoveOwner(person=person)))


def _row(owner: Fields) -> tuple[str, ...]:
    by = f"a code of {owner['made_by']}" if owner["made_by"] else "gateway.owners"
    return (owner["person"], owner["name"], by)
