"""Who reads a chat of the page: what is sent to any other address nobody would ever see."""

from gateway import refs
from gateway.store.base import Tx
from gateway.store.records import inbox
from platforms.events import ChatRef


def has_reader(tx: Tx, chat: ChatRef) -> bool:
    """Whether the page lists a chat, or it is another platform's, who say so themselves.

    The page has one user, and lists what that user began, and the notices.
    """
    from platforms.web.parse import LOCAL_USER, notices_of

    if chat.account.platform != "web" or chat == notices_of(LOCAL_USER):
        return True
    account, person = refs.account_text(chat.account), f"web:{LOCAL_USER}"
    return inbox.wrote_in(tx, account, refs.chat_text(chat), person)
