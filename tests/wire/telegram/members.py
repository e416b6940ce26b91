"""Who is what in a chat: the shapes of `ChatMember`."""

from typing import Any, Literal

Rank = Literal["creator", "administrator", "member", "restricted", "left", "kicked"]
ADMINS: frozenset[Rank] = frozenset({"creator", "administrator"})

# fmt: off
_RIGHTS = (
    "can_manage_chat", "can_delete_messages", "can_manage_video_chats", "can_restrict_members",
    "can_promote_members", "can_change_info", "can_invite_users", "can_post_stories",
    "can_edit_stories", "can_delete_stories", "can_send_welcome_messages",
)
_MAY_SEND = (
    "can_send_messages", "can_send_audios", "can_send_documents", "can_send_photos",
    "can_send_videos", "can_send_video_notes", "can_send_voice_notes", "can_send_polls",
    "can_send_other_messages", "can_add_web_page_previews", "can_change_info",
    "can_invite_users", "can_pin_messages", "can_manage_topics", "can_edit_tag",
    "can_react_to_messages",
)
# fmt: on


def member_json(user: dict[str, Any], rank: Rank, *, anonymous: bool) -> dict[str, Any]:
    """A `ChatMember`; an administrator has every right there is."""
    result: dict[str, Any] = {"status": rank, "user": user}
    match rank:
        case "creator":
            return result | {"is_anonymous": anonymous}
        case "administrator":
            rights = dict.fromkeys(_RIGHTS, True)
            return result | {"can_be_edited": False, "is_anonymous": anonymous} | rights
        case "restricted":
            return result | {"is_member": True, "until_date": 0} | dict.fromkeys(_MAY_SEND, True)
        case "kicked":
            return result | {"until_date": 0}
        case _:
            return result
