"""What the gate knows of a turn beside its calls: what it has read and what was said in it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from agent.messages import ResultStatus, ToolResult, UserMessage
from agent.policy import Facts
from agent.tools.base import PreparedCall
from gateway.entitled import Approver, Rights
from gateway.store.base import Tx
from gateway.store.records import calls, inbox, transcript
from gateway.store.records.cards import Card
from gateway.store.records.sessions import OpenTurn

_OF_THE_WORLD = frozenset({ResultStatus.DONE, ResultStatus.FAILED})
"""Results that hold what a tool has found; in the others the gateway repeats the model's words."""


def facts_of(
    tx: Tx,
    place: OpenTurn | Card,
    *,
    groups: Mapping[str, bool | None],
    rights: Rights,
    prepared: Iterable[PreparedCall],
) -> Facts:
    """The facts of a turn, or of the turn a card is about, as its rows have them now.

    The transcript is read only where it matters: a tainted turn has a call to an address, and
    people or results may have named that address.
    """
    chat = place.reply_to if isinstance(place, OpenTurn) else place.origin
    account = place.account if isinstance(place, OpenTurn) else place.origin_account
    approvers = rights.approvers_in(account, chat)
    taint = (
        *_counted(calls.tainted_by(tx, place.turn_id)),
        *_words(tx, place.turn_id, place.requester, rights, approvers),
    )
    reaches = any(each.urls for each in prepared)
    return Facts(
        requester=place.requester,
        chat=chat,
        groups=groups,
        taint=taint,
        said=_said(tx, place.session_id, place.turn_id) if taint and reaches else "",
        unattended=not place.requester,
    )


def _counted(kinds: tuple[str, ...]) -> Iterator[str]:
    """`2 web pages`, one entry for each kind of thing that was read."""
    for kind, count in Counter(kinds).items():
        yield kind if count == 1 else f"{count} {kind}{'' if kind.endswith('s') else 's'}"


def _words(
    tx: Tx, turn_id: int, requester: str, rights: Rights, approvers: tuple[Approver, ...]
) -> Iterator[str]:
    """Words in a turn that nobody typed who may decide its calls: of bystanders, or passed on."""

    def is_foreign(person: str) -> bool:
        mine = rights.person(person) == rights.person(requester)
        return not (mine or rights.owns(person) or rights.is_named(person, approvers))

    others: dict[str, None] = {}
    quoted = forwarded = False
    for content in inbox.claimed_by(tx, turn_id):
        quoted |= bool(content.quote_by) and is_foreign(content.quote_by)
        forwarded |= content.forwarded
        if is_foreign(content.author):
            others[content.author_name or content.author] = None
    if others:
        yield f"words of {', '.join(others)}"
    if quoted:
        yield "quoted text"
    if forwarded:
        yield "forwarded text"


def _said(tx: Tx, session_id: int, turn_id: int) -> str:
    """What people said in a session, and what a turn has found."""
    said = []
    for owner, message in transcript.load(tx, session_id):
        match message:
            case UserMessage(text=text):
                said.append(text)
            case ToolResult(text=text, status=status) if owner == turn_id:
                if status in _OF_THE_WORLD:
                    said.append(text)
            case _:
                pass
    return "\n".join(said)
