"""User groups and who is in them."""

from dataclasses import dataclass

from tests.wire.slack.checks import Json, Refusal
from tests.wire.slack.paging import is_true


@dataclass(slots=True)
class Usergroup:
    """A user group; a disabled one is hidden from who does not ask for such."""

    id: str
    users: list[str]
    disabled: bool = False


class Usergroups(dict[str, Usergroup]):
    """The user groups of a workspace by id; `available` is whether its plan has any."""

    available = True

    def form(self, ident: str, *users: str, disabled: bool = False) -> None:
        """Makes a user group, or gives it other members."""
        self[ident] = Usergroup(id=ident, users=list(users), disabled=disabled)

    def users_list(self, arguments: Json) -> Json:
        """usergroups.users.list: who is in one group."""
        if not self.available:
            raise Refusal("plan_upgrade_required")
        group = self.get(str(arguments.get("usergroup")))
        if group is None or (group.disabled and not is_true(arguments.get("include_disabled"))):
            raise Refusal("no_such_subteam")
        return {"users": list(group.users)}
