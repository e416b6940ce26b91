"""Messages of ours whose answer fills in a form, where forms are replies."""

from dataclasses import dataclass

from gateway.store.base import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Who is asked what until when (microseconds since 1970); the answer is `field` of the form."""

    form_id: str
    """What its button carried; empty once it was answered."""

    field: str
    person: str
    until_at: int

    def is_open(self, now: int) -> bool:
        """Whether an answer still fills in the form."""
        return bool(self.form_id) and now <= self.until_at


def insert(tx: Tx, *, account: str, chat: str, message_id: str, prompt: Prompt) -> None:
    """Remember a prompt that stands in its chat; those long over are forgotten."""
    tx.run("DELETE FROM prompt WHERE until_at < ?", prompt.until_at - 86_400_000_000)
    tx.run(
        "INSERT INTO prompt (account, chat, message_id, form_id, field, person, until_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, chat, message_id) DO NOTHING",
        account,
        chat,
        message_id,
        prompt.form_id,
        prompt.field,
        prompt.person,
        prompt.until_at,
    )


def find(tx: Tx, *, account: str, chat: str, message_id: str) -> Prompt | None:
    """The prompt that stands as a message."""
    row = tx.row(
        "SELECT form_id, field, person, until_at FROM prompt"
        " WHERE account = ? AND chat = ? AND message_id = ?",
        account,
        chat,
        message_id,
    )
    if row is None:
        return None
    form_id, field, person, until_at = row
    return Prompt(form_id=form_id, field=field, person=person, until_at=until_at)


def answered(tx: Tx, *, account: str, chat: str, message_id: str) -> None:
    """Close a prompt; its row stays for a while, so that a second answer is told apart."""
    tx.run(
        "UPDATE prompt SET form_id = '' WHERE account = ? AND chat = ? AND message_id = ?",
        account,
        chat,
        message_id,
    )
