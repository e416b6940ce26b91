"""Forms that are filled in by a reply, where a platform has no other: which prompt it answers."""

from dataclasses import replace

from gateway import admission, refs
from gateway.store.base import Tx
from gateway.store.records import prompts
from platforms.events import InboundEvent, MessageReceived


def answered(
    tx: Tx, event: InboundEvent, outcome: admission.Admission, *, now: int
) -> prompts.Prompt | None:
    """The prompt that a reply answers, where forms are replies: only its own person's.

    Its form is empty if that is over. Whoever may not speak here fills in nothing.
    """
    if not isinstance(event, MessageReceived) or event.quote is None:
        return None
    if not isinstance(outcome, admission.Admitted | admission.Refused):
        return None
    account, chat = refs.account_text(event.account), refs.chat_text(event.chat)
    place = {"account": account, "chat": refs.root_text(chat)}
    message_id = event.quote.message.message_id
    prompt = prompts.find(tx, **place, message_id=message_id)
    author = refs.person_text(event.author, event.account.platform)
    if prompt is None or prompt.person != author:
        return None
    if not prompt.is_open(now):
        return replace(prompt, form_id="")
    prompts.answered(tx, **place, message_id=message_id)
    return prompt
