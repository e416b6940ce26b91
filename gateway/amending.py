"""What an edit or a deletion does to the row of its message: it changes it while it waits."""

from gateway import refs
from gateway.store.base import Tx
from gateway.store.records import inbox
from platforms.events import InboundEvent, MessageDeleted, MessageEdited, MessageRef


def is_stored(tx: Tx, event: InboundEvent) -> bool:
    """Whether a message this edit or deletion is about was ever stored."""
    account, chat = refs.account_text(event.account), refs.chat_text(event.chat)
    match event:
        case MessageEdited(message=message):
            messages: tuple[MessageRef, ...] = (message,)
        case MessageDeleted(messages=messages):
            pass
        case _:
            raise TypeError(f"{type(event).__name__} amends nothing")
    return any(
        inbox.holds(tx, account=account, chat=chat, message_id=message.message_id)
        for message in messages
    )


def amend(tx: Tx, event: InboundEvent) -> None:
    """An edit replaces a text that still waits, a deletion takes it out of the queue."""
    account = refs.account_text(event.account)
    match event:
        case MessageEdited(message=message, text=text):
            inbox.replace_text(
                tx,
                account=account,
                chat=refs.chat_text(event.chat),
                message_id=message.message_id,
                author=refs.person_text(event.author, event.account.platform),
                text=text,
            )
        case MessageDeleted(messages=messages):
            for message in messages:
                inbox.withdraw(
                    tx,
                    account=account,
                    chat=refs.chat_text(event.chat),
                    message_id=message.message_id,
                )
        case _:
            raise TypeError(f"{type(event).__name__} amends nothing")
