"""What Slack sends to an app: events, presses, forms, commands, and their signature. Pure."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

from tests.wire.slack.checks import Json
from tests.wire.slack.rules import escape
from tests.wire.slack.world import Channel, Message, World

_NAMED = re.compile(r"(?<![\w@])@([a-z0-9._-]*[a-z0-9])", re.IGNORECASE)
_TOKENS = re.compile(
    r"<@(?P<user>[A-Z0-9]+)(?:\|[^>]*)?>"
    r"|<#(?P<channel>[A-Z0-9]+)(?:\|[^>]*)?>"
    r"|<!(?P<range>channel|here|everyone)(?:\|[^>]*)?>"
    r"|<!subteam\^(?P<group>[A-Z0-9]+)(?:\|[^>]*)?>"
    r"|<(?P<url>(?:https?|mailto):[^|>]+)(?:\|(?P<label>[^>]*))?>"
)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """`v0=` and the HMAC over version, time and body. Source: Slack, verifying requests."""
    base = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


def typed(text: str, names: Mapping[str, str]) -> str:
    """What a person typed as Slack's text: the three escapes, `@name` as a mention."""

    def mention(found: re.Match[str]) -> str:
        name = found[1].lower()
        if name in {"channel", "here", "everyone"}:
            return f"<!{name}>"
        return f"<@{names[name]}>" if name in names else found[0]

    return _NAMED.sub(mention, escape(text))


def rich_text(text: str) -> Json:
    """The block Slack's composer makes of a text without further formatting."""
    elements: list[Json] = []
    at = 0
    for token in _TOKENS.finditer(text):
        elements += _plain(text[at : token.start()])
        elements.append(_element(token))
        at = token.end()
    elements += _plain(text[at:])
    section = {"type": "rich_text_section", "elements": elements or [{"type": "text", "text": " "}]}
    return {"type": "rich_text", "block_id": "b1", "elements": [section]}


def _plain(text: str) -> list[Json]:
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return [{"type": "text", "text": text}] if text else []


def _element(token: re.Match[str]) -> Json:
    match token.lastgroup:
        case "user":
            return {"type": "user", "user_id": token["user"]}
        case "channel":
            return {"type": "channel", "channel_id": token["channel"]}
        case "range":
            return {"type": "broadcast", "range": token["range"]}
        case "group":
            return {"type": "usergroup", "usergroup_id": token["group"]}
        case _:
            link: Json = {"type": "link", "url": token["url"]}
            return link | ({"text": token["label"]} if token["label"] else {})


def event(world: World, event_id: str, body: Json, *, at: float, shared: bool = False) -> Json:
    """An event in the envelope of the Events API."""
    return {
        "token": "verification-token-of-nothing",
        "team_id": world.team,
        "enterprise_id": world.enterprise,
        "context_team_id": world.team,
        "context_enterprise_id": world.enterprise,
        "api_app_id": world.app_id,
        "event": body,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(at),
        "authorizations": [
            {
                "enterprise_id": world.enterprise,
                "team_id": world.team,
                "user_id": world.bot_user,
                "is_bot": True,
                "is_enterprise_install": world.whole,
            }
        ],
        "is_ext_shared_channel": shared,
        "event_context": f"4-{event_id}",
    }


def message_event(world: World, channel: Channel, message: Message) -> Json:
    """A `message` event for a message that came."""
    return world.message_json(message) | {
        "channel": channel.id,
        "channel_type": channel.kind,
        "event_ts": message.ts,
    }


def mention_event(world: World, channel: Channel, message: Message) -> Json:
    """The `app_mention` Slack sends beside it; it has no channel type."""
    return world.message_json(message) | {
        "type": "app_mention",
        "channel": channel.id,
        "event_ts": message.ts,
    }


def changed_event(
    world: World, channel: Channel, message: Message, before: Message, event_ts: str
) -> Json:
    """A `message` event for an edit."""
    return {
        "type": "message",
        "subtype": "message_changed",
        "message": world.message_json(message),
        "previous_message": world.message_json(before),
        "channel": channel.id,
        "channel_type": channel.kind,
        "hidden": True,
        "ts": event_ts,
        "event_ts": event_ts,
    }


def deleted_event(world: World, channel: Channel, message: Message, event_ts: str) -> Json:
    """A `message` event for a deletion."""
    return {
        "type": "message",
        "subtype": "message_deleted",
        "deleted_ts": message.ts,
        "previous_message": world.message_json(message),
        "channel": channel.id,
        "channel_type": channel.kind,
        "hidden": True,
        "ts": event_ts,
        "event_ts": event_ts,
    }


def assistant_event(
    world: World, channel: Channel, user: str, thread: str, viewed: str | None
) -> Json:
    """An `assistant_thread_started` event; `viewed` is the channel that stood beside it."""
    context = {"channel_id": viewed, "team_id": world.team} if viewed else {}
    return {
        "type": "assistant_thread_started",
        "assistant_thread": {
            "user_id": user,
            "context": context,
            "channel_id": channel.id,
            "thread_ts": thread,
        },
        "event_ts": thread,
    }


def reaction_event(
    channel: Channel, message: Message, user: str, name: str, event_ts: str, *, on: bool = True
) -> Json:
    """A `reaction_added` event, or `reaction_removed`."""
    return {
        "type": "reaction_added" if on else "reaction_removed",
        "user": user,
        "reaction": name,
        "item": {"type": "message", "channel": channel.id, "ts": message.ts},
        "item_user": message.user,
        "event_ts": event_ts,
    }


def channel_event(world: World, kind: str, channel: Channel, user: str, event_ts: str) -> Json:
    """What became of a channel, or of somebody in it. Source: the event's page under events."""
    body: Json = {"type": kind, "channel": channel.id, "event_ts": event_ts}
    match kind:
        case "member_joined_channel" | "member_left_channel":
            letter = "C" if channel.kind == "channel" else "G"
            body |= {"user": user, "channel_type": letter, "team": world.person(user).team}
        case "channel_left" | "group_left":
            body |= {"actor_id": user}
        case "channel_rename" | "group_rename":
            body["channel"] = {"id": channel.id, "name": channel.name, "created": 1_600_000_000}
        case "channel_id_changed":
            del body["channel"]
            body |= {"old_channel_id": channel.id, "new_channel_id": f"C9{channel.id[1:]}"}
        case "channel_archive" | "channel_unarchive" | "group_archive" | "group_unarchive":
            body |= {"user": user, "is_moved": 0}
        case "channel_deleted" | "group_deleted":
            pass
        case _:
            raise AssertionError(f"no such event: {kind}")
    return body


def act(
    world: World,
    channel: Channel,
    message: Message,
    *,
    user: str,
    action: Mapping[str, Any],
    response_url: str,
    trigger_id: str,
) -> Json:
    """A `block_actions` payload: a button or a choice under a message."""
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": False,
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    return _interaction(world, "block_actions", user, trigger_id) | {
        "container": container,
        "channel": {"id": channel.id, "name": channel.name},
        "message": world.message_json(message),
        "state": {"values": {}},
        "response_url": response_url,
        "actions": [dict(action)],
    }


def submission(world: World, *, user: str, view: Json, trigger_id: str) -> Json:
    """A `view_submission` payload; it names neither channel nor message."""
    payload = _interaction(world, "view_submission", user, trigger_id)
    return payload | {"view": view, "response_urls": []}


def shortcut(
    world: World,
    *,
    user: str,
    callback_id: str,
    trigger_id: str,
    message: Message | None,
    response_url: str,
    at: float,
) -> Json:
    """A `shortcut` payload, or a `message_action` for one under a message."""
    kind = "shortcut" if message is None else "message_action"
    body = _interaction(world, kind, user, trigger_id) | {
        "callback_id": callback_id,
        "action_ts": f"{at:.6f}",
    }
    if message is None:
        return body
    channel = world.channels[message.channel]
    return body | {
        "message_ts": message.ts,
        "channel": {"id": channel.id, "name": channel.name},
        "message": world.message_json(message),
        "response_url": response_url,
    }


def view(
    world: World, ident: str, given: Mapping[str, Any], hashed: str, state: Mapping[str, Any]
) -> Json:
    """A view as Slack hands it back, with what stands in its fields."""
    return {
        "external_id": "",
        "clear_on_close": False,
        "notify_on_close": False,
        "private_metadata": "",
        "callback_id": "",
        "close": None,
        "submit": None,
        **given,
        "id": ident,
        "team_id": world.team,
        "state": {"values": dict(state)},
        "hash": hashed,
        "previous_view_id": None,
        "root_view_id": ident,
        "app_id": world.app_id,
        "app_installed_team_id": world.team,
        "bot_id": world.bot_id,
    }


def _interaction(world: World, kind: str, user: str, trigger_id: str) -> Json:
    person = world.person(user)
    return {
        "type": kind,
        "user": {
            "id": user,
            "username": person.name,
            "name": person.name,
            "team_id": person.team,
        },
        "api_app_id": world.app_id,
        "token": "verification-token-of-nothing",
        "trigger_id": trigger_id,
        "team": None if world.whole else {"id": world.team, "domain": "loopback"},
        "enterprise": {"id": world.enterprise} if world.enterprise else None,
        "is_enterprise_install": world.whole,
    }


def command(
    world: World,
    channel: Channel,
    *,
    user: str,
    name: str,
    text: str,
    response_url: str,
    trigger_id: str,
) -> Json:
    """The fields of a slash command; it never comes from inside a thread."""
    return {
        "token": "verification-token-of-nothing",
        "team_id": world.team,
        "team_domain": "loopback",
        "channel_id": channel.id,
        "channel_name": "directmessage" if channel.kind == "im" else channel.name,
        "user_id": user,
        "user_name": world.person(user).name,
        "command": name,
        "text": text,
        "api_app_id": world.app_id,
        "is_enterprise_install": str(world.whole).lower(),
        "response_url": response_url,
        "trigger_id": trigger_id,
    } | ({"enterprise_id": world.enterprise} if world.enterprise else {})
