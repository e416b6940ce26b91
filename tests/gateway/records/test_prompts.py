"""Prompts: which message of ours asks whom for what, until it is answered or long over."""

from gateway.store.base import Store
from gateway.store.records import prompts
from gateway.store.records.prompts import Prompt
from tests.gateway.records.rows import ACCOUNT, ANN, CHAT, NOW, write

DAY = 86_400_000_000
REASON = Prompt(form_id="token", field="reason", person=ANN, until_at=NOW)


async def put(store: Store, message_id: str, prompt: Prompt = REASON) -> None:
    """Remember a prompt in ann's chat."""
    await write(
        store,
        lambda tx: prompts.insert(
            tx, account=ACCOUNT, chat=CHAT, message_id=message_id, prompt=prompt
        ),
    )


async def find(store: Store, message_id: str, chat: str = CHAT) -> Prompt | None:
    """The prompt a message is."""
    return await store.read(
        lambda tx: prompts.find(tx, account=ACCOUNT, chat=chat, message_id=message_id)
    )


async def test_a_prompt_is_one_message_of_one_chat(store: Store) -> None:
    """The same id elsewhere is another message; what stands first stays."""
    await put(store, "5")
    await put(store, "5", Prompt(form_id="x", field="answer", person="telegram:2", until_at=NOW))
    assert await find(store, "5") == REASON
    assert await find(store, "6") is None
    assert await find(store, "5", "telegram:9") is None


async def test_an_answered_prompt_takes_no_second_answer(store: Store) -> None:
    """Its row stays, so that the second one is told apart from other words."""
    await put(store, "5")
    await put(store, "6")
    await write(store, lambda tx: prompts.answered(tx, account=ACCOUNT, chat=CHAT, message_id="5"))
    over, waits = await find(store, "5"), await find(store, "6")
    assert over is not None
    assert waits == REASON
    assert (over.person, over.is_open(NOW), waits.is_open(NOW)) == (ANN, False, True)
    assert not waits.is_open(NOW + 1)


async def test_prompts_long_over_go_with_the_next_one(store: Store) -> None:
    """Nobody answers most of them; those of the last day stay, to say that it was too late."""
    await put(store, "5")
    await put(store, "6", Prompt(form_id="t", field="reason", person=ANN, until_at=NOW + 10))
    latest = Prompt(form_id="t", field="reason", person=ANN, until_at=NOW + DAY + 5)
    await put(store, "7", latest)
    assert await find(store, "5") is None
    assert await find(store, "6") is not None
    assert await find(store, "7") == latest
