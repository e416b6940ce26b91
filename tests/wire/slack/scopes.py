"""The right each method needs. Source: the method's page at docs.slack.dev/reference/methods."""

from collections.abc import Mapping
from types import MappingProxyType

ASSISTANT_SCOPE = "assistant:write"
"""Only an app with the assistant view has it."""

SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "chat.postMessage": "chat:write",
        "chat.update": "chat:write",
        "chat.delete": "chat:write",
        "chat.postEphemeral": "chat:write",
        "conversations.info": "channels:read",
        "conversations.open": "im:write",
        "conversations.leave": "channels:manage",
        "users.info": "users:read",
        "bots.info": "users:read",
        "reactions.add": "reactions:write",
        "reactions.remove": "reactions:write",
        "files.getUploadURLExternal": "files:write",
        "files.completeUploadExternal": "files:write",
        "files.info": "files:read",
        "files.delete": "files:write",
        "assistant.threads.setStatus": "chat:write",
        "assistant.threads.setSuggestedPrompts": ASSISTANT_SCOPE,
        "assistant.threads.setTitle": ASSISTANT_SCOPE,
        "usergroups.users.list": "usergroups:read",
    }
)

HISTORY_SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "channel": "channels:history",
        "group": "groups:history",
        "im": "im:history",
        "mpim": "mpim:history",
    }
)
"""What reading a conversation of each kind needs. Source: conversations.history."""

EVENT_SCOPES = frozenset(
    {"app_mentions:read", "commands", "groups:read", "groups:write", "reactions:read"}
)
"""What events, commands and private channels need beyond the rights of the methods here."""
