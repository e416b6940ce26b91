"""What the command line asks and changes of owners: a code for the next one, a list, an end."""

from dataclasses import dataclass
from typing import assert_never

from gateway.clock import Clock
from gateway.control_requests import AboutOwners, AskOwners, MakeOwnerCode, RemoveOwner
from gateway.owner_codes import Made, OwnerCodes, drawn
from gateway.shell_desk import Decided
from gateway.store import transitions
from gateway.store.base import Store, Tx
from gateway.store.records import owners


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An owner; `made_by` is empty and `made_at` 0 where the configuration names them."""

    person: str
    name: str = ""
    made_by: str = ""
    made_at: int = 0


class OwnersDesk:
    """Carries out what whoever sits at the machine says about owners."""

    def __init__(self, *, store: Store, clock: Clock, codes: OwnerCodes) -> None:
        self._store = store
        self._clock = clock
        self._codes = codes

    async def answer(self, request: AboutOwners, *, by: str) -> object:
        """Carry a request out; see `gateway.control_requests`."""
        match request:
            case MakeOwnerCode():
                return await self._made(by)
            case AskOwners():
                return await self._listed()
            case RemoveOwner(person=person):
                return await self._removed(person.strip(), by)
            case _:
                assert_never(request)

    async def _made(self, by: str) -> Made:
        code = drawn(self._clock.nonce)
        return await self._store.write(
            lambda tx: self._codes.make(tx, code=code, by=by), transition=transitions.OWNERS_CHANGED
        )

    async def _listed(self) -> list[Listed]:
        rows = await self._store.read(owners.everybody)
        named = [Listed(person=str(each)) for each in self._codes.owners.configured]
        return named + [
            Listed(person=each.person, name=each.name, made_by=each.made_by, made_at=each.made_at)
            for each in rows
        ]

    async def _removed(self, person: str, by: str) -> Decided:
        def unit(tx: Tx) -> bool:
            return self._codes.remove(tx, person, by=by)

        gone = await self._store.write(unit, transition=transitions.OWNERS_CHANGED)
        await self._codes.owners.load(self._store)
        still = person in {str(each) for each in self._codes.owners.configured}
        if still:
            return Decided(
                text=f"{person} is named in gateway.owners: take them out there and restart.",
                done=False,
            )
        if not gone:
            return Decided(
                text=f"{person} is no owner by a code; gatepost pair owner --list shows who is.",
                done=False,
            )
        return Decided(text=f"{person} is no owner any more.", done=True)
