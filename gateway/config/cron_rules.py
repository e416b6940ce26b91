"""Pure: rules between the keys of jobs, and between a job and the rest of the file."""

from collections.abc import Iterator
from typing import Any

from gateway.config.destination_rules import (
    CONFIGURED,
    OF_SEND_MESSAGE,
    TABLE,
    chat_named,
    names,
)
from gateway.config.facts import Broken, Facts, name_taken
from gateway.config.faults import KeyPath, Wrong
from gateway.config.ids import ChatPattern, parse_chat
from gateway.config.values import HOOK


def broken_jobs(facts: Facts) -> Iterator[Broken]:
    """Yield every such rule the file breaks."""
    jobs = facts.get(("cron",))
    seen: set[str] = set()
    secrets: list[Any] = []
    for index, entry in enumerate(jobs if isinstance(jobs, list) else ()):
        here: KeyPath = ("cron", index)
        if not isinstance(entry, dict) or not facts.known(here):
            continue
        yield from name_taken(facts, here, seen, by="a job")
        yield from _trigger(facts, here)
        yield from _shared_secret(facts, here, secrets)
        yield from _place(facts, here)
        yield from _approver(facts, here)


def _trigger(facts: Facts, here: KeyPath) -> Iterator[Broken]:
    """A job goes by the clock or by requests, and has what that takes."""
    schedule, secret, missed = (*here, "schedule"), (*here, "secret"), (*here, "missed")
    if not facts.known(schedule, secret):
        return
    written = facts.get(schedule)
    if written not in (None, HOOK):
        if facts.has(secret):
            yield (
                secret,
                Wrong(
                    "stands beside a schedule",
                    "remove one of the two; a hook is an entry of its own",
                ),
            )
        return
    if not facts.has(secret):
        what = "is a hook without a secret" if written else "has neither schedule nor secret"
        fix = 'add secret = "${NAME}" for a hook'
        yield here, Wrong(what, fix if written else f"add a schedule, or {fix}")
    elif facts.known(("web", "enabled")) and facts.get(("web", "enabled"), True) is False:
        yield (
            secret,
            Wrong("a hook comes in over [web], which is off", "set web.enabled = true"),
        )
    if facts.has(missed) and facts.known(missed):
        yield missed, Wrong("does nothing on a hook", "remove the key")


def _shared_secret(facts: Facts, here: KeyPath, secrets: list[Any]) -> Iterator[Broken]:
    """A signature does not say for which hook it is, so each hook has a secret of its own."""
    key = (*here, "secret")
    if not facts.known(key) or not facts.has(key):
        return
    written = facts.get(key)
    if written in secrets:
        yield (
            key,
            Wrong(
                "is that of a hook above, so a request to one would run the other too",
                "give each its own: openssl rand -hex 32",
            ),
        )
    secrets.append(written)


def _place(facts: Facts, here: KeyPath) -> Iterator[Broken]:
    """The answer goes where the gateway is, and where people were let in."""
    key = (*here, "deliver")
    if not facts.known(key) or not facts.has(key):
        return
    written = facts.get(key)
    if ":" not in written:
        if chat_named(facts, written) is None:
            known = ", ".join(names(facts))
            fix = f"name one of {known}" if known else f"add [destinations.{written}]"
            yield key, Wrong(f'there is no destination "{written}"', fix)
        return
    chat = parse_chat(written)
    table: KeyPath = ("platforms", chat.platform)
    match chat.platform:
        case "terminal":
            return
        case "web":
            if facts.known(("web", "enabled")) and facts.get(("web", "enabled"), True) is False:
                yield key, Wrong("the page is off", "set web.enabled = true, or name another chat")
            return
    if facts.known(("platforms",)) and not facts.has(table):
        yield (
            key,
            Wrong(
                f"{chat.platform} is not configured",
                f"add [platforms.{chat.platform}], or name a chat elsewhere",
            ),
        )
    elif not _is_listed(facts, chat):
        yield key, Wrong(f'"{chat}" is no chat of this file', f'add "{chat}" to access.chats')


def _approver(facts: Facts, here: KeyPath) -> Iterator[Broken]:
    key = (*here, "approver")
    if not facts.known(key, ("platforms",)) or not facts.has(key):
        return
    platform = str(facts.get(key)).partition(":")[0]
    if platform in CONFIGURED and not facts.has(("platforms", platform)):
        yield (
            key,
            Wrong(
                f"{platform} is not configured, so nobody would be asked",
                f"add [platforms.{platform}], or name somebody elsewhere",
            ),
        )


def _is_listed(facts: Facts, chat: ChatPattern) -> bool:
    """Whether the file names that chat, one around it, or the person behind a direct chat."""
    own: KeyPath = ("access", chat.platform)
    lists: list[KeyPath] = [("access", "chats"), (*own, "chats")]
    if chat.platform == "telegram":  # a person's id is the id of the chat with them
        lists += [("gateway", "owners"), ("access", "users"), (*own, "users")]
        rule = facts.get((*own, "dm")) or facts.get(("access", "dm"))
        if rule == "open" and not chat.parts[0].startswith("-"):
            return True
    if chat.platform == "slack" and chat.parts[1].startswith("D"):
        return True  # a direct chat, which only the person in it could open
    if not facts.known(*lists, TABLE, OF_SEND_MESSAGE, ("approvals", "owner_chat")):
        return True  # mending that may mend this
    entries: list[Any] = [entry for path in lists for entry in facts.get(path) or ()]
    entries += [facts.get(("approvals", "owner_chat"))]
    entries += [chat_named(facts, name) for name in names(facts)]
    return any(_covers(entry, chat) for entry in entries if isinstance(entry, str))


def _covers(entry: str, chat: ChatPattern) -> bool:
    try:
        pattern = parse_chat(entry)
    except Wrong:  # one of a list has its own fault
        return False
    paths = [chat.parts]
    if chat.platform == "discord":  # a channel may be written without its guild
        paths.append(chat.parts[1:])
    return pattern.platform == chat.platform and any(
        path[: len(pattern.parts)] == pattern.parts for path in paths if path
    )
