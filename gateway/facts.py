"""What the gate knows of a turn beside its calls: what it has read and what was said in it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import orjson

from agent.messages import (
    AssistantMessage,
    PartialReply,
    ResultStatus,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from agent.policy import Facts, was_said, was_written
from agent.tools.base import PreparedCall
from gateway.entitled import Approver, Rights
from gateway.store.base import Tx
from gateway.store.records import calls, folds, inbox, transcript
from gateway.store.records.cards import Card
from gateway.store.records.earlier import HEAD
from gateway.store.records.sessions import OpenTurn
from gateway.taken_files import holds_others_words, parted
from gateway.words import flags as said
from gateway.words.phrase import ENGLISH, Reader

_EARLIER: Final = "earlier in this session: "
_WORDS_OF: Final = "words of "


def facts_of(
    tx: Tx,
    place: OpenTurn | Card,
    *,
    groups: Mapping[str, bool | None],
    rights: Rights,
    prepared: Iterable[PreparedCall],
) -> Facts:
    """The facts of a turn, or of the turn a card is about, as its rows have them now.

    What earlier turns have read taints as long as the model may be given it. The transcript is
    read only where it matters: a tainted turn has a call to an address, and people or results
    may have named that address.
    """
    chat = place.reply_to if isinstance(place, OpenTurn) else place.origin
    account = place.account if isinstance(place, OpenTurn) else place.origin_account
    since = transcript.oldest_given(tx, place.turn_id)
    taint = _taint(tx, place, since, rights)
    urls = frozenset(url for each in prepared for url in each.urls)
    return Facts(
        requester=place.requester,
        chat=chat,
        formerly=rights.formerly(account, chat),
        groups=groups,
        taint=taint,
        said=_said(tx, place.session_id, since, urls) if taint and urls else "",
        unattended=not place.requester,
    )


def taint_text(taint: tuple[str, ...], reader: Reader = ENGLISH) -> str:
    """What a turn has read as it stands on a card; empty for a clean one."""
    now = [each for each in taint if not each.startswith(_EARLIER)]
    before = [
        said.EARLIER.to(reader, what=_named(each.removeprefix(_EARLIER), reader))
        for each in taint
        if each.startswith(_EARLIER)
    ]
    if not now:
        return "".join(said.READ_EARLIER.to(reader, what=each) for each in before)
    read = ", ".join(_named(each, reader) for each in now)
    return ", ".join((said.READ.to(reader, what=read), *before))


def _named(read: str, reader: Reader) -> str:
    """What was read, a number of things of one kind each; a kind nobody knows stays as it is."""
    return ", ".join(_kind(each, reader) for each in read.split(", "))


def _kind(read: str, reader: Reader) -> str:
    number, _, kind = read.partition(" ")
    if number.isdigit() and (several := said.SEVERAL.get(kind)) is not None:
        return f"{number} {several.to(reader)}"
    if read.startswith(_WORDS_OF):
        return said.WORDS_OF.to(reader, name=read.removeprefix(_WORDS_OF))
    one = said.ONE.get(read)
    return read if one is None else one.to(reader)


def _taint(tx: Tx, place: OpenTurn | Card, since: int, rights: Rights) -> tuple[str, ...]:
    """What the model of a turn has been given that no entitled person typed."""
    account = place.account if isinstance(place, OpenTurn) else place.origin_account
    chat = place.reply_to if isinstance(place, OpenTurn) else place.origin
    approvers = rights.approvers_in(account, chat)
    read = calls.tainted_by(tx, place.session_id, since=since)
    given = inbox.given(tx, place.session_id, since=since, but_of=place.requester)

    def of(*, this: bool) -> tuple[str, ...]:
        kinds = [kind for turn_id, kind in read if (turn_id == place.turn_id) is this]
        words = [content for turn_id, content in given if (turn_id == place.turn_id) is this]
        return (*_counted(kinds), *_words(words, place.requester, rights, approvers))

    earlier = of(this=False)
    return (*of(this=True), *((_EARLIER + ", ".join(earlier),) if earlier else ()))


def _counted(kinds: Iterable[str]) -> Iterator[str]:
    """`2 web pages`, one entry for each kind of thing that was read."""
    for kind, count in Counter(kinds).items():
        yield kind if count == 1 else f"{count} {kind}{'' if kind.endswith('s') else 's'}"


def _words(
    given: Iterable[inbox.Content],
    requester: str,
    rights: Rights,
    approvers: tuple[Approver, ...],
) -> Iterator[str]:
    """Words in a turn that nobody typed who may decide its calls: of bystanders, or passed on."""

    def is_foreign(person: str) -> bool:
        mine = rights.person(person) == rights.person(requester)
        return not (mine or rights.owns(person) or rights.is_named(person, approvers))

    others: dict[str, None] = {}
    quoted = forwarded = earlier = attached = False
    for content in given:
        earlier |= any(map(is_foreign, content.earlier_by))
        quoted |= bool(content.quote_by) and is_foreign(content.quote_by)
        forwarded |= content.forwarded
        attached |= any(map(holds_others_words, content.attachments))
        if is_foreign(content.author):
            others[content.author_name or content.author] = None
    if others:
        yield _WORDS_OF + ", ".join(others)
    if quoted:
        yield "quoted text"
    if forwarded:
        yield "forwarded text"
    if earlier:
        yield "earlier messages of the chat"
    if attached:
        yield "attached files"


def _said(tx: Tx, session_id: int, since: int, urls: frozenset[str]) -> str:
    """What people typed in a session, and those addresses that an outside reader found.

    What the model wrote itself, in words or in a call, nobody has found after that.
    """
    finds = calls.found_by(tx, session_id, since=since)
    typed: list[str] = []
    asked, found = set[str](), set[str]()
    # What stands for older messages is a model's words too: it may have composed them from there.
    summed = "\n".join(folds.texts(tx, session_id))
    open_urls = {url for url in urls if not was_written(url, summed)}
    for _, message in transcript.load(tx, session_id):
        match message:
            case UserMessage(text=text):
                quoted, own = _parted(text)
                typed.append(own)
                found |= {url for url in open_urls if was_said(url, quoted)}
            case ToolResult(text=text, status=ResultStatus.DONE, call_id=ident) if (
                ident in finds and ident in asked
            ):
                found |= {url for url in open_urls if was_said(url, text)}
            case AssistantMessage() | PartialReply():
                written = _written(message)
                asked.update(each.id for each in _calls(message))
                open_urls -= {url for url in open_urls if was_written(url, written)}
            case _:
                pass
    return "\n".join((*typed, *sorted(found)))


def _parted(text: str) -> tuple[str, str]:
    """What a message comes after, replies to or brought along, by whomever, and what was typed."""
    if text.startswith(HEAD):
        return text, ""
    text, attached = parted(text)
    if not text.startswith("[in reply to "):
        return attached, text
    lines = text.split("\n")
    end = next((n for n, line in enumerate(lines) if n and not line.startswith(">")), len(lines))
    quoted = "\n".join(line.removeprefix("> ") for line in lines[1:end])
    return f"{quoted}\n{attached}", "\n".join(lines[end:])


def _written(message: AssistantMessage | PartialReply) -> str:
    """All that a model wrote in a message, call arguments as written and as they read."""
    if isinstance(message, PartialReply):
        return message.text
    words: list[str] = []
    for part in message.parts:
        match part:
            case Text(text=text):
                words.append(text)
            case ToolCall(arguments=arguments):
                words.extend((arguments, *_strings(arguments)))
            case _:
                pass
    return "\n".join(words)


def _calls(message: AssistantMessage | PartialReply) -> tuple[ToolCall, ...]:
    return message.calls if isinstance(message, AssistantMessage) else ()


def _strings(arguments: str) -> Iterator[str]:
    """Every text in a call's arguments, without its JSON spelling."""
    try:
        level = [orjson.loads(arguments)]
    except orjson.JSONDecodeError:
        return
    while level:
        value = level.pop()
        match value:
            case str():
                yield value
            case dict():
                level.extend((*value.keys(), *value.values()))
            case list():
                level.extend(value)
            case _:
                pass
