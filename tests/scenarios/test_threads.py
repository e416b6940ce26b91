"""A thread or topic is a conversation of its own, of everybody who is in it."""

from pathlib import Path

import pytest

from gateway.store.records.earlier import HEAD
from tests.scenarios.stage import Stage, Surface, words

pytestmark = pytest.mark.needs("has_threads")


async def test_thread_is_shared(surface: Surface, tmp_path: Path) -> None:
    """Answers stand in the thread, words there need no mention, and the model knows who speaks."""
    async with Stage(surface, path=tmp_path) as stage:
        stage.answers("It is on Monday.", "No, Bob: Monday.")
        thread = await surface.begin_thread("When is the launch?")
        await stage.reads("It is on Monday.", thread=thread)
        await surface.say("Not on Tuesday?", by="bob", thread=thread)
        await stage.reads("It is on Monday.", "No, Bob: Monday.", thread=thread)
        said = [(role, text.lower()) for role, text in words(await stage.asked(2))]
        assert said == [
            ("user", "ann: when is the launch?"),
            ("assistant", "it is on monday."),
            ("user", "bob: not on tuesday?"),
        ]


async def test_thread_keeps_to_itself(surface: Surface, tmp_path: Path) -> None:
    """What is said in direct messages is not known in the thread."""
    async with Stage(surface, path=tmp_path) as stage:
        stage.answers("I keep it to myself.", "Know what?")
        await surface.say("It is on Monday, but tell nobody.")
        await stage.reads("I keep it to myself.")
        thread = await surface.begin_thread("Do you know when it is?")
        await stage.reads("Know what?", thread=thread)
        assert len(words(await stage.asked(2))) == 1


async def test_thread_of_others_is_left_alone(surface: Surface, tmp_path: Path) -> None:
    """In a thread the bot has no part in, only words to it are answered."""
    async with Stage(surface, path=tmp_path) as stage:
        stage.answers("I think so, too.")
        thread = await surface.begin_thread("Lunch, anyone?", mention=False)
        unaddressed = await surface.say("I am in.", by="bob", thread=thread)
        await surface.say("a good idea, isn't it?", by="bob", thread=thread, mention=True)
        await stage.reads("I think so, too.", thread=thread)
        (asked,) = words(await stage.asked(1))
        *before, addressed = asked[1].split("\n\n")
        assert addressed.lower() == "bob: a good idea, isn't it?"
        assert all(text.startswith(HEAD) and "I am in." in text for text in before)
        story = "\n".join(await stage.running.operator.why(surface.ref(unaddressed)))
        assert "not_addressed" in story
