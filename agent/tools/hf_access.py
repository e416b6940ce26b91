"""What the hf_* tools share: whose account pays, and what a repository or job of the Hub is called.

The payer comes from configuration; the model only suggests one. The Hub says whether the token may
use that account.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from agent.costs import Unknown
from agent.errors import NotStarted
from agent.hub import Hub, HubUnclear
from agent.messages import JsonObject, ResultStatus
from agent.tools.base import EffectClass, Malformed, PreparedCall, ToolOutput
from agent.tools.hf_quotes import MinutePrice, Prices
from agent.tools.literal_secrets import Holds

CALL_LABEL = "gatepost-call"
SESSION_LABEL = "gatepost-session"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAccess:
    """A Hub, the account that pays there, what things cost, and what counts as a secret.

    `payer` is "" where configuration names nobody: then nothing that costs money is run.
    `accounts` are all that people may choose from, the payer among them. `now_us` is the time in
    microseconds since 1970.
    """

    hub: Hub
    payer: str
    accounts: tuple[str, ...]
    holds: Holds
    prices: Prices
    now_us: Callable[[], int]

    async def may_pay(self, payer: str) -> Malformed | None:
        """None if that account may pay here, else why not; raises ToolError: can't tell."""
        if not payer:
            return Malformed(text="Nobody pays for this here: [payers] names no default account.")
        if payer in self.accounts and payer in (await self.hub.account()).namespaces:
            return None
        return Malformed(
            text=f"The account {payer!r} can't pay here: it is not in [payers], or the gateway's "
            "token may not use it. Somebody who runs the gateway has to look."
        )

    async def look_at_prices(self) -> None:
        """Learn the catalogue anew if it is an hour old; in 3 s or not at all, never raises."""
        await self.hub.prices(lambda listing: self.prices.take(listing, now=self.now_us()))

    def minute(self, flavor: str) -> MinutePrice | Unknown:
        """What a minute of a size costs."""
        return self.prices.minute(flavor, now=self.now_us())

    def ours(self, namespace: str) -> bool:
        """Whether a namespace is one of the accounts that pay here."""
        return namespace in self.accounts

    def namespace_of(self, fields: JsonObject) -> str:
        """Where a call looks: the namespace it names, else the payer's; raises NotStarted."""
        namespace = fields.get("namespace") or self.payer
        if not namespace:
            raise NotStarted("Say in which `namespace` to look; there is no default account here.")
        return str(namespace)


def payer_in(fields: JsonObject) -> str:
    """The payer that was judged; raises NotStarted where the call was stored without one."""
    payer = fields.get("payer")
    if not isinstance(payer, str) or not payer:
        raise NotStarted("It was not begun: who pays could not be looked up. Try it again.")
    return payer


def session_label(session: str) -> str:
    """A session as a label: 32 hexadecimal digits."""
    return hashlib.sha256(session.encode()).hexdigest()[:32]


def call_label(call_id: str) -> str:
    """A call as a label; the Hub takes up to 100 letters, digits, `-` and `_`."""
    plain = all(char.isascii() and (char.isalnum() or char in "-_") for char in call_id)
    return call_id if plain and 0 < len(call_id) <= 100 else session_label(call_id)


def in_doubt(call: PreparedCall, doubt: HubUnclear) -> ToolOutput:
    """What is told of a call the Hub may have taken; raises where a repeat is harmless anyway."""
    if call.effect not in (EffectClass.ONCE, EffectClass.PROBE):
        raise doubt
    return ToolOutput(text=f"{doubt} It may have taken effect.", status=ResultStatus.UNKNOWN)
