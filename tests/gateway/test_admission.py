"""Who may enter, and into which session: the gating table, row by row."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission import (
    LATE_MAX,
    TEXT_MAX,
    Admission,
    Admitted,
    Amends,
    Calls,
    Changes,
    Facts,
    Held,
    Ignored,
    NotListed,
    Refused,
    admit,
    may_press,
    session_key,
)
from gateway.commands import BY_NAME, Recognised
from gateway.config.ids import parse_chat, parse_user
from gateway.config.values import AccessConfig, SessionsConfig
from gateway.store.records.pairings import Pairing
from platforms.events import (
    Account,
    Author,
    ChatRef,
    InboundEvent,
    Mention,
    MentionKind,
    MessageReceived,
)
from tests.gateway.events import (
    ANN,
    AT,
    BEN,
    CHANNEL,
    DM,
    GROUP,
    OUR_MENTION,
    SLACK_ANN,
    THREAD,
    TOPIC,
    US,
    changed,
    command,
    deleted,
    edited,
    form,
    in_group,
    message,
    press,
    quote_of,
    reaction,
)

DM_KEY = "telegram:77|telegram:1001"
GROUP_KEY = "telegram:77|telegram:-100200"


def facts(
    *,
    users: tuple[str, ...] = ("telegram:1001", "slack:T1/U1"),
    chats: tuple[str, ...] = ("telegram:-100200", "slack:T1/*"),
    joined: bool = False,
    group: Any = "per_user",
    now: datetime = AT,
    **access: Any,
) -> Facts:
    """Ann is listed, and so is every group of these tests, unless said otherwise."""
    return Facts(
        access=AccessConfig(
            users=tuple(map(parse_user, users)), chats=tuple(map(parse_chat, chats)), **access
        ),
        sessions=SessionsConfig(group=group),
        joined_thread=joined,
        now=now,
    )


def mention(kind: MentionKind, start: int = 0, ident: str | None = None) -> Mention:
    return Mention(kind=kind, id=ident, start=start, end=start + 4)


def named_command(name: str, args: str = "") -> Recognised:
    """A command of the table."""
    return Recognised(command=BY_NAME[name], args=args)


def entered(key: str, **fields: Any) -> Admitted:
    """The turn lane of a session."""
    return Admitted(**{"session_key": key, "lane": "turn"} | fields)


ADDRESSED: dict[str, tuple[MessageReceived, Facts, Admission]] = {
    "a direct message": (message(), facts(), entered(DM_KEY)),
    "unaddressed in a group": (in_group(), facts(), Ignored(reason="not_addressed")),
    "late, but not too late": (
        message(late=True),
        facts(now=AT + LATE_MAX),
        entered(DM_KEY),
    ),
    "back-filled after too long": (
        message(late=True),
        facts(now=AT + LATE_MAX + timedelta(seconds=1)),
        Ignored(reason="too_late"),
    ),
    "old, but delivered in the ordinary way": (
        message(),
        facts(now=AT + LATE_MAX + timedelta(seconds=1)),
        entered(DM_KEY),
    ),
    "a mention of us": (
        in_group(mentions=(OUR_MENTION,)),
        facts(),
        entered(f"{GROUP_KEY}|telegram:1001"),
    ),
    "a mention of us behind words": (
        in_group("hi @bot", mentions=(mention(MentionKind.US, 3),)),
        facts(),
        entered(f"{GROUP_KEY}|telegram:1001"),
    ),
    "a reply to ours": (
        in_group(quote=quote_of(US)),
        facts(),
        entered(f"{GROUP_KEY}|telegram:1001"),
    ),
    "a reply to someone else": (
        in_group(quote=quote_of(BEN)),
        facts(),
        Ignored(reason="not_addressed"),
    ),
    "in a thread we joined": (
        in_group(chat=TOPIC),
        facts(joined=True),
        entered(f"{GROUP_KEY}/7", shared=True),
    ),
    "in a thread we did not join": (
        in_group(chat=TOPIC),
        facts(),
        Ignored(reason="not_addressed"),
    ),
    "begins with someone else's name": (
        in_group("@ben look", mentions=(mention(MentionKind.USER, 0, "1002"),)),
        facts(joined=True),
        Ignored(reason="other_addressee"),
    ),
    "names someone else on the way": (
        in_group("ask @ben", mentions=(mention(MentionKind.USER, 4, "1002"),)),
        facts(joined=True),
        entered(f"{GROUP_KEY}|telegram:1001"),
    ),
    "begins with someone else and names us": (
        in_group(
            "@ben @bot", mentions=(mention(MentionKind.USER, 0, "1002"), mention(MentionKind.US, 5))
        ),
        facts(),
        entered(f"{GROUP_KEY}|telegram:1001"),
    ),
    "everyone": (
        in_group("@everyone hi", mentions=(mention(MentionKind.EVERYONE),)),
        facts(),
        Ignored(reason="not_addressed"),
    ),
    "a role that is not ours": (
        in_group("@ops hi", mentions=(mention(MentionKind.ROLE, 0, "9"),)),
        facts(),
        Ignored(reason="not_addressed"),
    ),
    "a chat": (
        in_group("#general hi", mentions=(mention(MentionKind.CHAT, 0, "9"),)),
        facts(),
        Ignored(reason="not_addressed"),
    ),
    "no mention needed": (
        in_group(),
        facts(require_mention=False),
        entered(f"{GROUP_KEY}|telegram:1001"),
    ),
    "another bot's command": (
        in_group("/help", addressed_command=False),
        facts(require_mention=False, joined=True),
        Ignored(reason="other_addressee"),
    ),
    "another bot's command in a direct chat": (
        message("/help", addressed_command=False),
        facts(),
        Ignored(reason="other_addressee"),
    ),
    "an unknown word with a slash in a group": (
        in_group("/weather"),
        facts(),
        Ignored(reason="not_addressed"),
    ),
}


@pytest.mark.parametrize("name", ADDRESSED)
def test_is_it_meant_for_us(name: str) -> None:
    """In a group we answer only to those who address us."""
    event, given_facts, expected = ADDRESSED[name]
    assert admit(event, given_facts) == expected


@pytest.mark.parametrize("text", ["/help", "!help", "/Stop now", "/start"])
def test_our_command_addresses_us(text: str) -> None:
    """A command of the table needs no mention, in a group of bots too."""
    outcome = admit(in_group(text), facts())
    assert isinstance(outcome, Admitted)
    assert outcome.command is not None


@pytest.mark.parametrize(
    ("author", "reason"),
    [
        (US, "own_echo"),
        (Author(id="1001", kind="human", is_us=True), "own_echo"),
        (Author(id="1001", kind="bot"), "bot_not_listed"),
        (Author(id="1001", kind="webhook"), "bot_not_listed"),
        (Author(id="1001", kind="channel"), "bot_not_listed"),
        (Author(id="1001", kind="service"), "service_message"),
    ],
)
@pytest.mark.parametrize(
    "make",
    [
        lambda author: message(author=author),
        lambda author: in_group(author=author, mentions=(OUR_MENTION,)),
        lambda author: command("help", author=author),
        lambda author: edited("x", author=author),
        lambda author: deleted(1, author=author),
        lambda author: press(author=author),
    ],
)
def test_only_people_enter(make: Any, author: Author, reason: str) -> None:
    """Whatever event it is, and even if its id is listed."""
    assert admit(make(author), facts(dm="open", require_mention=False)) == Ignored(reason=reason)


HELPER = Author(id="1009", name="Helper", kind="bot")
BOT_RULES: dict[str, tuple[InboundEvent, Facts, Admission]] = {
    "a listed bot in a listed group": (
        in_group(author=HELPER, mentions=(OUR_MENTION,)),
        replace(facts(bots=(parse_user("telegram:1009"),)), bot_may_speak=True),
        entered(f"{GROUP_KEY}|telegram:1009"),
    ),
    "a listed bot that nobody else talks to": (
        in_group(author=HELPER, mentions=(OUR_MENTION,)),
        facts(bots=(parse_user("telegram:1009"),)),
        Ignored(reason="bot_loop"),
    ),
    "a listed bot that names nobody": (
        in_group(author=HELPER),
        replace(facts(bots=(parse_user("telegram:1009"),)), bot_may_speak=True),
        Ignored(reason="not_addressed"),
    ),
    "a listed bot directly": (
        message(author=HELPER),
        replace(facts(bots=(parse_user("telegram:1009"),)), bot_may_speak=True),
        entered(DM_KEY),
    ),
    "a command of a listed bot": (
        message("/stop", author=HELPER),
        replace(facts(bots=(parse_user("telegram:1009"),)), bot_may_speak=True),
        Ignored(reason="bot_command"),
    ),
    "a press of a listed bot": (
        press(author=HELPER),
        replace(facts(bots=(parse_user("telegram:1009"),)), bot_may_speak=True),
        Ignored(reason="bot_not_listed"),
    ),
    "a webhook is no bot that can be listed": (
        message(author=replace(HELPER, kind="webhook")),
        replace(facts(bots=(parse_user("telegram:1009"),)), bot_may_speak=True),
        Ignored(reason="bot_not_listed"),
    ),
}


@pytest.mark.parametrize("case", BOT_RULES)
def test_other_bots(case: str) -> None:
    """Only listed ones, only in words, and only while people are there."""
    event, given, outcome = BOT_RULES[case]
    assert admit(event, given) == outcome


NOBODY = Author(id="1087968824", name="Team", kind="anonymous_admin")


@pytest.mark.parametrize(
    ("event", "refused"),
    [
        (in_group("hello", author=NOBODY, mentions=(OUR_MENTION,)), True),
        (in_group("/stop", author=NOBODY), True),
        (command("stop", chat=GROUP, author=NOBODY), True),
        (edited("x", chat=GROUP, author=NOBODY), False),
        (press(chat=GROUP, author=NOBODY), False),
    ],
)
def test_who_hides_is_told_why_they_are_not_answered(event: InboundEvent, refused: bool) -> None:
    """Words that are meant for us; anything else of theirs is dropped in silence."""
    outcome = admit(event, facts())
    if refused:
        assert isinstance(outcome, Refused)
        assert "Remain anonymous" in outcome.text
    assert isinstance(outcome, Refused | Ignored)
    assert outcome.reason == "anonymous_sender"


def test_who_hides_and_does_not_mean_us_is_not_told() -> None:
    """They are not addressed first of all."""
    outcome = admit(in_group("hello", author=NOBODY), facts())
    assert outcome == Ignored(reason="not_addressed")


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (message(), "frozen"),
        (message("x" * (TEXT_MAX + 1)), "frozen"),
        (message("/status"), None),
        (message("/help"), None),
    ],
)
def test_nothing_is_answered_while_spending_is_stopped(
    event: InboundEvent, reason: str | None
) -> None:
    """Commands are."""
    outcome = admit(event, replace(facts(), frozen=True))
    assert (outcome.reason if isinstance(outcome, Refused) else None) == reason


GUEST = replace(BEN, guest=True)
FOREIGN = replace(BEN, external=True)
LISTED_GUEST = replace(ANN, guest=True)
LISTED_FOREIGN = replace(ANN, external=True)


def known(state: Any, *, until: timedelta = timedelta()) -> Pairing:
    """What is known of ben."""
    return Pairing(
        account="telegram:77",
        person="telegram:1002",
        state=state,
        code="K7QF2M9P",
        chat="telegram:1002",
        asked_at=0,
        until_at=int((AT + until).timestamp() * 1_000_000),
    )


LATER, NOT_YET = timedelta(0), timedelta(microseconds=1)
BENS_TURN = Admitted(session_key=DM_KEY, lane="turn")
FROM_BEN = message(author=BEN)
PAIRED: dict[str, tuple[InboundEvent, Facts, Admission]] = {
    "nobody knows them": (
        FROM_BEN,
        facts(dm="pairing"),
        Held(session_key=DM_KEY, fresh=True, then=BENS_TURN),
    ),
    "owners are asked already": (
        FROM_BEN,
        replace(facts(dm="pairing"), pairing=known("open", until=NOT_YET), held=2, requests=10),
        Held(session_key=DM_KEY, fresh=False, then=BENS_TURN),
    ),
    "three of theirs wait": (
        FROM_BEN,
        replace(facts(dm="pairing"), pairing=known("open", until=NOT_YET), held=3),
        Ignored(reason="pairing_waits"),
    ),
    "their request has lapsed": (
        FROM_BEN,
        replace(facts(dm="pairing"), pairing=known("open", until=LATER), held=3, requests=9),
        Held(session_key=DM_KEY, fresh=True, then=BENS_TURN),
    ),
    "owners are asked about ten others": (
        FROM_BEN,
        replace(facts(dm="pairing"), requests=10),
        Ignored(reason="pairing_full"),
    ),
    "allowed": (
        FROM_BEN,
        replace(facts(dm="pairing"), pairing=known("allowed")),
        BENS_TURN,
    ),
    "denied a moment ago": (
        FROM_BEN,
        replace(facts(dm="pairing"), pairing=known("denied", until=NOT_YET)),
        Ignored(reason="pairing_denied"),
    ),
    "denied a day ago": (
        FROM_BEN,
        replace(facts(dm="pairing"), pairing=known("denied", until=LATER)),
        Held(session_key=DM_KEY, fresh=True, then=BENS_TURN),
    ),
    "blocked, in a direct chat": (
        FROM_BEN,
        replace(facts(dm="open"), pairing=known("blocked")),
        Ignored(reason="blocked"),
    ),
    "blocked, in a listed group": (
        in_group(author=BEN, mentions=(OUR_MENTION,)),
        replace(facts(), pairing=known("blocked")),
        Ignored(reason="blocked"),
    ),
    "an edit of a blocked person": (
        edited("x", author=BEN),
        replace(facts(), pairing=known("blocked")),
        Ignored(reason="blocked"),
    ),
    "held while spending is stopped": (
        FROM_BEN,
        replace(facts(dm="pairing"), frozen=True),
        Held(session_key=DM_KEY, fresh=True, then=BENS_TURN),
    ),
    "allowed, in a group nobody listed": (
        in_group(author=BEN, mentions=(OUR_MENTION,)),
        replace(facts(dm="pairing", chats=()), pairing=known("allowed")),
        NotListed(),
    ),
    "allowed once, where only lists count by now": (
        FROM_BEN,
        replace(facts(), pairing=known("allowed")),
        Ignored(reason="sender_not_listed"),
    ),
    "a guest is never asked about": (
        message(author=replace(BEN, guest=True)),
        facts(dm="pairing"),
        Ignored(reason="sender_not_listed"),
    ),
    "a listed person is not held": (message(), facts(dm="pairing"), entered(DM_KEY)),
    "a command is carried out once they are let in": (
        message("/help", author=BEN),
        facts(dm="pairing"),
        Held(
            session_key=DM_KEY,
            fresh=True,
            then=Admitted(session_key=DM_KEY, lane="now", command=named_command("help")),
        ),
    ),
    "what is no command leads to nothing": (
        message("/frobnicate", author=BEN),
        facts(dm="pairing"),
        Held(session_key=DM_KEY, fresh=True),
    ),
    "an owner's command": (
        message("/pair list"),
        facts(),
        Refused(
            session_key=DM_KEY,
            reason="not_entitled",
            text="Only owners of this gateway can use `/pair`.",
        ),
    ),
    "an owner's command by an owner": (
        command("pair", "list"),
        replace(facts(), owner=True),
        Admitted(session_key=DM_KEY, lane="now", command=named_command("pair", "list")),
    ),
}


@pytest.mark.parametrize("case", PAIRED)
def test_strangers_where_owners_are_asked(case: str) -> None:
    """Held until an owner has said something; only in direct chats, and never for long."""
    event, given, outcome = PAIRED[case]
    assert admit(event, given) == outcome


CHATS: dict[str, tuple[InboundEvent, Facts, Admission]] = {
    "let into a chat nobody listed": (
        changed("we_joined"),
        facts(chats=()),
        Calls(),
    ),
    "let into a listed chat": (changed("we_joined"), facts(), Changes()),
    "let into a chat that an owner has allowed": (
        changed("we_joined"),
        replace(facts(chats=()), chat_allowed=True),
        Changes(),
    ),
    "somebody joined a chat nobody listed": (changed("joined"), facts(chats=()), NotListed()),
    "somebody blocked us": (changed("blocked", chat=DM), facts(), Changes()),
    "words in a chat that an owner has allowed": (
        in_group(author=BEN, mentions=(OUR_MENTION,)),
        replace(facts(chats=()), chat_allowed=True),
        entered(f"{GROUP_KEY}|telegram:1002"),
    ),
    "a reaction in a listed chat": (reaction(), facts(), Ignored(reason="reaction")),
    "a reaction in another": (reaction(), facts(chats=()), NotListed()),
    "a reaction of a blocked person": (
        reaction(),
        replace(facts(), pairing=known("blocked")),
        Ignored(reason="blocked"),
    ),
}


@pytest.mark.parametrize("case", CHATS)
def test_chats_and_reactions(case: str) -> None:
    """They take the checks of author and chat, and then only change rows."""
    event, given, outcome = CHATS[case]
    assert admit(event, given) == outcome


def test_whoever_waits_decides_nothing() -> None:
    """A press of somebody who is not let in yet counts for nothing; of one who is, it does."""
    asked = replace(facts(dm="pairing", chats=()), pairing=known("open", until=NOT_YET))
    assert not may_press(press(author=BEN), asked)
    assert may_press(press(author=BEN), replace(asked, pairing=known("allowed")))
    in_a_listed_group = press(author=BEN, chat=GROUP)
    assert may_press(in_a_listed_group, facts())
    assert not may_press(in_a_listed_group, replace(facts(), pairing=known("blocked")))


UNLISTED = Ignored(reason="sender_not_listed")


@pytest.mark.parametrize(
    ("event", "access", "expected"),
    [
        (message(author=ANN), {}, entered(DM_KEY)),
        (message(author=BEN), {}, UNLISTED),
        (message(author=BEN), {"dm": "open"}, entered(DM_KEY)),
        (message(author=GUEST), {"dm": "open"}, UNLISTED),
        (message(author=FOREIGN), {"dm": "open"}, UNLISTED),
        (message(author=LISTED_GUEST), {}, entered(DM_KEY)),
        (message(author=LISTED_FOREIGN), {}, entered(DM_KEY)),
        (message(author=ANN), {"users": ()}, UNLISTED),
        (
            in_group(author=BEN, mentions=(OUR_MENTION,)),
            {},
            entered(f"{GROUP_KEY}|telegram:1002"),
        ),
        (in_group(author=GUEST, mentions=(OUR_MENTION,)), {}, UNLISTED),
        (in_group(author=FOREIGN, mentions=(OUR_MENTION,)), {"dm": "open"}, UNLISTED),
        (
            in_group(author=LISTED_GUEST, mentions=(OUR_MENTION,)),
            {},
            entered(f"{GROUP_KEY}|telegram:1001"),
        ),
        (in_group(author=ANN, mentions=(OUR_MENTION,)), {"chats": ()}, NotListed()),
        (command("help", author=BEN), {}, UNLISTED),
        (command("help", author=GUEST, chat=GROUP), {}, UNLISTED),
        (command("help", author=ANN, chat=GROUP), {"chats": ()}, NotListed()),
    ],
)
def test_may_this_person_speak(event: InboundEvent, access: dict[str, Any], expected: Any) -> None:
    """Direct chats by list or open to members; groups by their own list; no rule means no."""
    assert admit(event, facts(**access)) == expected


@pytest.mark.parametrize("platform", ["web", "terminal"])
def test_own_surfaces_prove_their_people(platform: Any) -> None:
    """Page and terminal let nobody write whom they do not know."""
    chat = ChatRef(account=Account(platform=platform, id="local"), chat_id="c1")
    event = message(chat=chat, author=Author(id="local"), chat_kind="dm")
    assert admit(event, facts(users=())) == entered(f"{platform}:local|{platform}:c1")


@pytest.mark.parametrize(
    ("chats", "listed"),
    [
        (("slack:T1/C1",), True),
        (("slack:T1/*",), True),
        (("slack:*",), True),
        (("slack:T1/C2",), False),
        (("slack:T2/C1",), False),
        (("telegram:*",), False),
        ((), False),
    ],
)
def test_groups_are_listed_with_all_below(chats: tuple[str, ...], listed: bool) -> None:
    """A chat covers its threads; a thread in an unlisted chat is not let in by being joined."""
    event = in_group(chat=THREAD, author=SLACK_ANN)
    outcome = admit(event, facts(chats=chats, joined=True))
    assert isinstance(outcome, Admitted) == listed
    assert isinstance(outcome, NotListed) != listed


@pytest.mark.parametrize("event", [edited("x"), deleted(1), edited("x", chat=GROUP, author=BEN)])
def test_edits_and_deletions_only_amend(event: InboundEvent) -> None:
    """They address nobody, command nothing and need no list: they find their message or not."""
    assert admit(event, facts(users=(), chats=())) == Amends()


def test_an_edit_into_a_command_commands_nothing() -> None:
    """The new text is never read."""
    assert admit(edited("/stop all"), facts()) == Amends()


@pytest.mark.parametrize("event", [press(), form(), press(author=BEN), form(author=BEN)])
def test_a_press_never_waits(event: InboundEvent) -> None:
    """Its lane is its own; a stranger's comes to the desk too, which answers it."""
    assert admit(event, facts()) == Admitted(session_key=DM_KEY, lane="press")


@pytest.mark.parametrize("make", [press, form])
@pytest.mark.parametrize(
    ("author", "chat", "access", "may"),
    [
        (ANN, DM, {}, True),
        (BEN, DM, {}, False),
        (BEN, DM, {"dm": "open"}, True),
        (GUEST, DM, {"dm": "open"}, False),
        (FOREIGN, DM, {"dm": "open"}, False),
        (LISTED_GUEST, DM, {}, True),
        (BEN, GROUP, {}, True),
        (BEN, TOPIC, {}, True),
        (BEN, GROUP, {"chats": ()}, False),
        (GUEST, GROUP, {}, False),
        (FOREIGN, GROUP, {"dm": "open"}, False),
        (LISTED_FOREIGN, GROUP, {}, False),
    ],
)
def test_who_may_press(
    make: Any, author: Author, chat: ChatRef, access: dict[str, Any], may: bool
) -> None:
    """Whose message would be answered there, and nobody else, nor other organisations' people."""
    assert may_press(make(author=author, chat=chat), facts(**access)) is may


@pytest.mark.parametrize("platform", ["web", "terminal"])
def test_own_surfaces_prove_who_presses(platform: Any) -> None:
    """By their own token, or by the system's user."""
    chat = ChatRef(account=Account(platform=platform, id="local"), chat_id="c1")
    assert may_press(press(chat=chat, author=Author(id="local")), facts(users=()))


@pytest.mark.parametrize(
    ("event", "lane"),
    [
        (message("/stop"), "now"),
        (message("/new plan"), "turn"),
        (message("!status"), "now"),
        (command("stop"), "now"),
        (command("new", "plan"), "turn"),
    ],
)
def test_commands_go_to_their_lane(event: InboundEvent, lane: str) -> None:
    """Typed and native commands are the same."""
    outcome = admit(event, facts())
    assert isinstance(outcome, Admitted)
    assert outcome.lane == lane
    assert outcome.command is not None


@pytest.mark.parametrize("event", [message("/stpo"), command("stpo")])
def test_an_unknown_command_is_refused_with_a_word(event: InboundEvent) -> None:
    """The sender reads which names are near."""
    outcome = admit(event, facts())
    assert isinstance(outcome, Refused)
    assert (outcome.reason, outcome.session_key) == ("unknown_command", DM_KEY)
    assert "Did you mean `/stop`" in outcome.text


def test_a_stranger_is_told_nothing_about_commands() -> None:
    """Who may not speak gets no word, not even about a typing error."""
    assert admit(message("/stpo", author=BEN), facts()) == UNLISTED
    assert admit(command("stpo", author=BEN), facts()) == UNLISTED


@pytest.mark.parametrize(("length", "fits"), [(TEXT_MAX, True), (TEXT_MAX + 1, False)])
def test_a_message_has_a_largest_size(length: int, fits: bool) -> None:
    """Counted in characters; what is over it is refused with both numbers."""
    outcome = admit(message("ä" * length), facts())
    if fits:
        assert isinstance(outcome, Admitted)
        return
    assert isinstance(outcome, Refused)
    assert outcome.reason == "too_large"
    assert "100,001 of 100,000" in outcome.text


def slack_message(chat: ChatRef, **fields: Any) -> MessageReceived:
    return in_group(chat=chat, author=SLACK_ANN, mentions=(OUR_MENTION,), **fields)


@pytest.mark.parametrize(
    ("event", "group", "key", "shared"),
    [
        (message(), "per_user", DM_KEY, False),
        (message(), "shared", DM_KEY, False),
        (
            message(chat=replace(DM, thread_id="9"), chat_kind="dm", thread_kind="reply"),
            "per_user",
            DM_KEY,
            False,
        ),
        (
            message(chat=replace(DM, thread_id="9"), chat_kind="dm", thread_kind="topic"),
            "per_user",
            f"{DM_KEY}/9",
            False,
        ),
        (
            in_group(mentions=(OUR_MENTION,)),
            "per_user",
            f"{GROUP_KEY}|telegram:1001",
            False,
        ),
        (in_group(mentions=(OUR_MENTION,)), "shared", GROUP_KEY, True),
        (in_group(chat=TOPIC, mentions=(OUR_MENTION,)), "per_user", f"{GROUP_KEY}/7", True),
        (slack_message(CHANNEL), "per_user", "slack:A1|slack:T1/C1|slack:T1/U1", False),
        (slack_message(THREAD), "per_user", "slack:A1|slack:T1/C1/170.1", True),
        (
            slack_message(CHANNEL, reply_to=replace(CHANNEL, thread_id="171.2")),
            "per_user",
            "slack:A1|slack:T1/C1/171.2",
            True,
        ),
    ],
)
def test_session_keys(event: MessageReceived, group: Any, key: str, shared: bool) -> None:
    """A direct chat, a thread shared by all, one person in a group, or the whole group."""
    outcome = admit(event, facts(group=group))
    assert outcome == entered(key, shared=shared)
    assert session_key(event, SessionsConfig(group=group)) == key


def test_a_native_command_finds_the_same_session_as_words() -> None:
    """/stop given natively in a chat stops what was said there."""
    for chat in (DM, GROUP):
        given_facts = facts()
        words = admit(message(chat=chat, mentions=(OUR_MENTION,)), given_facts)
        native = admit(command("stop", chat=chat), given_facts)
        assert isinstance(words, Admitted)
        assert isinstance(native, Admitted)
        assert words.session_key == native.session_key


NAMES = st.text(max_size=12)


@given(text=st.text(max_size=50), name=NAMES, kind=st.sampled_from(["dm", "group", "channel"]))
def test_any_words_get_a_decision(text: str, name: str, kind: Any) -> None:
    """Admission is total, and a display name decides nothing."""
    event = message(text, chat_kind=kind, author=replace(ANN, name=name))
    outcome = admit(event, facts())
    assert outcome == admit(replace(event, author=ANN), facts())
