"""Pools in real turns over loopback servers: which key is asked next, and when."""

import asyncio
from collections.abc import Sequence

from agent.credential_pool import CredentialPool, Key
from agent.credential_rests import LoginEnded
from agent.credentials import Lease, Service
from agent.effects import TurnState
from tests.agent.chain import chain, refusal
from tests.agent.credentials.ground import failure, pool, seconds
from tests.warp import warped

LIMIT = refusal(429, "slow", "rate_limit_error", retry_after="60")


class Login:
    """A login whose token can't be renewed any more, if it is over."""

    service = Service.CODEX

    def __init__(self, *, over: bool) -> None:
        self.generation = 0
        self._over = over

    async def lease(self) -> Lease:
        headers = {"Authorization": "Bearer sk-loopback"}
        return Lease(label="", headers=headers, generation=self.generation)

    async def renew(self, lease: Lease) -> bool:
        if self._over:
            raise failure(LoginEnded, "log in again")
        self.generation += 1
        return True


def keys_of(sources: Sequence[Login]) -> CredentialPool:
    return pool(
        tuple(
            Key(ident=name, label=name, source=source)
            for name, source in zip("abc", sources, strict=False)
        )
    )


def test_after_a_login_that_is_over_the_second_is_asked() -> None:
    """The first is dead by then, and not counted twice."""

    async def run() -> None:
        keys = keys_of((Login(over=True), Login(over=False)))
        async with chain(1, credentials={0: keys}) as house:
            house.servers[0].reply(refusal(401, "expired", "authentication_error"), "Hi.")
            end = await house.run()
            assert (end.state, end.text, house.asked) == (TurnState.DONE, "Hi.", [2])
            assert keys.standing(model="alpha").dead == 1

    warped(run())


def test_two_turns_that_meet_one_limit_both_go_on_with_the_other_key() -> None:
    """The key the first has let rest is not one that the second could have rotated to."""

    async def run() -> None:
        keys = keys_of((Login(over=False), Login(over=False)))
        async with chain(1, credentials={0: keys}) as house:
            house.servers[0].reply(LIMIT, LIMIT, "Hi.", "Hi.")
            began = seconds()
            ends = await asyncio.gather(house.run(), house.run())
            assert [end.text for end in ends] == ["Hi.", "Hi."]
            assert seconds() - began < 1

    warped(run())
