"""What `gatepost doctor` makes of approvals, money and tools: one finding each, with its remedy."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from gateway.cli.findings import Fields, Finding, Severity
from gateway.cli.status import age, money, place

_MICROS = 1_000_000

ALWAYS_FREE = frozenset({"files", "memory", "ask_user"})
"""Tools of which nothing needs anybody's word but that of whoever asks."""


def of_desk(rows: Fields, now: int) -> Iterator[Finding]:
    """What waits for a person, and what stands in the way of money."""
    for freeze in rows["freezes"]:
        everywhere = freeze["scope"] == "all"
        where = place(freeze["scope"])
        since = age((now - freeze["at"]) / _MICROS)
        scope = "all" if everywhere else where
        yield Finding(
            check="frozen",
            severity="error" if everywhere else "warning",
            finding=f"{where}, by {freeze['name']} {since} ago: {freeze['reason']}",
            remedy=f"look at gatepost spend, then gatepost unfreeze {scope}",
        )
    for suspect in rows["suspects"]:
        yield Finding(
            check="estimators",
            severity="warning",
            finding=f"{suspect['name']} is not trusted: {suspect['reason']}",
            remedy=f"compare its bill, then gatepost estimators clear {suspect['name']}",
        )
    yield from _cards(rows, now)
    for job in rows["jobs"]:
        if job["state"] == "unknown":
            yield Finding(
                check="jobs",
                severity="error",
                finding=f"{job['label']} was told to end and nobody can tell whether it has",
                remedy=f"look for job {job['handle'] or job['call_id']} at its provider;"
                " it may go on costing money",
            )
    late = rows["held_late"]
    if late["count"]:
        oldest = age((now - late["oldest_at"]) / _MICROS)
        yield Finding(
            check="holds",
            severity="warning",
            finding=f"{late['count']} holds ({money(late['amount'])}) wait for their bill,"
            f" one for {oldest}",
            remedy="each is booked in full a day after its deadline; gatepost spend shows them",
        )


def _cards(rows: Fields, now: int) -> Iterator[Finding]:
    for card in rows["doubts"]:
        yield Finding(
            check="in doubt",
            severity="warning",
            finding=f"{card['tool']} {card['operation']}".strip()
            + f" of t{card['turn_id']} may have run",
            remedy=f"gatepost show {card['code']}, then gatepost answer {card['code']} done, again"
            " or skip",
        )
    for card in rows["late_cards"]:
        yield Finding(
            check="cards",
            severity="warning",
            finding=f"approval {card['code']} does not stand in {card['chat']} yet",
            remedy=f"see its platform above; gatepost approve {card['code']} works all the same",
        )
    lost = rows["undelivered"]
    if lost:
        last = lost[0]
        yield Finding(
            check="cards",
            severity="warning",
            finding=f"{len(lost)} approvals of the last day could not be asked; the last,"
            f" {last['code']}, in {last['chat']} {age((now - last['at']) / _MICROS)} ago:"
            f" {last['because']}",
            remedy=f"gatepost why {last['code']}; let the bot write there, and ask again",
        )


def of_equipment(status: Fields) -> Iterator[Finding]:
    """What is configured and does not work: tools, their servers, prices of models."""
    yield from of_missing(status["equipment"]["missing"])
    for server in status["equipment"]["servers"]:
        yield of_server(server)
    for model, why in status["unpriced"].items():
        yield Finding(
            check="prices",
            severity="error",
            finding=f"nobody knows what {model} costs, so it is not asked: {why}",
            remedy='give its entry a price = { input = .., output = .. }, or price = "included"',
        )


def of_missing(missing: Mapping[str, str]) -> Iterator[Finding]:
    """Enabled tools that can't work here."""
    for name, why in missing.items():
        yield Finding(
            check=f"tool {name}",
            severity="error",
            finding=f"is missing: {why}",
            remedy="mend that, or take it out of tools.enabled",
        )


def of_server(server: Fields) -> Finding:
    """A server of tools."""
    name = f"mcp {server['name']}"
    amiss = "; ".join(server["amiss"])
    if not server["ready"]:
        return Finding(
            check=name,
            severity="error",
            finding=f"not ready: {server['reason'] or 'no reason yet'}",
            remedy="run its command by hand, or ask its address; it is tried again by itself",
        )
    severity: Severity = "warning" if amiss else "ok"
    remedy = "see its entry in [[mcp]]" if amiss else ""
    return Finding(check=name, severity=severity, finding=amiss or "ready", remedy=remedy)


def without_owner(platforms: Iterable[str], owners: Iterable[str]) -> tuple[str, ...]:
    """The configured platforms on which nobody owns the gateway; `owners` as events name them."""
    owned = {each.partition(":")[0] for each in owners}
    return tuple(each for each in platforms if each not in owned)


def heard(platforms: Collection[str], owners: Collection[str]) -> tuple[str, ...]:
    """Where an owner is heard without being listed; everywhere while nobody owns anything.

    That is told by itself, and with what to do.
    """
    without = without_owner(platforms, owners)
    nobody = len(without) == len(platforms)
    return tuple(each for each in platforms if nobody or each not in without)


def of_owners(platforms: Collection[str], owners: Collection[str]) -> Iterator[Finding]:
    """Whether somebody owns the gateway on each platform."""
    without = without_owner(platforms, owners)
    if not without:
        return
    nobody = len(without) == len(platforms)
    where = "" if nobody else f" on {', '.join(without)}"
    yield Finding(
        check="owners",
        severity="warning" if nobody else "ok",
        finding=f"no owner yet{where}",
        remedy="run gatepost pair owner",
    )


def of_deciders(
    *, tools: Collection[str], owners: bool, approvers: bool, has_chats: bool
) -> Iterator[Finding]:
    """Whether somebody is named who may decide what `tools` ask beyond small sums."""
    asking = sorted(name for name in tools if name not in ALWAYS_FREE)
    if not asking or owners or not has_chats:
        return
    which = ", ".join(asking)
    if approvers:
        yield Finding(
            check="deciders",
            severity="warning",
            finding=f"approvers are named and no owner: what {which} ask at unknown prices, or"
            " again and again, can be decided on this machine alone",
            remedy="run gatepost pair owner, or set gateway.owners",
        )
    else:
        yield Finding(
            check="deciders",
            severity="error",
            finding=f"{which} may ask, and nobody in any chat may say yes to more than small sums",
            remedy="run gatepost pair owner, and set approvals.approvers for others;"
            " gatepost approvals works meanwhile",
        )
