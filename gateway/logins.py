"""People of this machine, by their login: `shell:ann`. No platform has people of that name."""

import os
import pwd

SOURCE = "shell"


def login_of(uid: int) -> str:
    """The name of a user of this machine, its number if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def shell_person(login: str) -> str:
    """How a person at the shell is written."""
    return f"{SOURCE}:{login}"


def shell_owners() -> frozenset[str]:
    """Everybody the control socket lets in: they own this gateway whatever is configured."""
    return frozenset(shell_person(login_of(uid)) for uid in (os.getuid(), 0))
