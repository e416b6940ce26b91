"""What people live through in a chat, on every surface, with the real SDKs over real sockets."""

import asyncio
from pathlib import Path

import pytest

from gateway.store.records.earlier import HEAD
from tests.scenarios.stage import Stage, Surface, words
from tests.wire.openai import CallTool, Reply


async def test_second_turn_remembers_the_first(each_transport: Surface, tmp_path: Path) -> None:
    """The second answer is made with the first question and answer in view."""
    surface = each_transport
    async with Stage(surface, path=tmp_path) as stage:
        stage.answers("The capital is Paris.", "About two million.")
        await surface.say("What is the capital of France?")
        await stage.reads("The capital is Paris.")
        await surface.say("How many people live there?")
        await stage.reads("The capital is Paris.", "About two million.")
        assert words(await stage.asked(2)) == [
            ("user", "What is the capital of France?"),
            ("assistant", "The capital is Paris."),
            ("user", "How many people live there?"),
        ]


async def test_long_answer_streams_and_is_split(each_transport: Surface, tmp_path: Path) -> None:
    """A growing answer is seen before its end; whole, it stands in parts without a lost line."""
    surface = each_transport
    lines = [f"line {number}: the quick brown fox jumps" for number in range(160)]
    text = "Here it is:\n\n```text\n" + "\n".join(lines) + "\n```\n\nThat was all."
    held = asyncio.Event()
    async with Stage(surface, path=tmp_path) as stage:
        stage.model.reply(Reply(deltas=(text[:900], held, text[900:])))
        await surface.say("Write a long text.")
        await stage.until(lambda: any("line 7:" in shown for shown in surface.shown()))
        assert not any("That was all." in shown for shown in surface.shown())
        held.set()
        await stage.until(lambda: any("That was all." in shown for shown in surface.shown()))
        shown = surface.shown()
        assert all(len(part) <= surface.part_max for part in shown)
        found = [line.strip("`| ") for part in shown for line in part.splitlines()]
        assert [line for line in found if line.startswith("line ")] == lines


async def test_tool_call_is_run_and_answered(each_transport: Surface, tmp_path: Path) -> None:
    """The model lists the workspace and answers from what it found."""
    surface = each_transport
    async with Stage(surface, path=tmp_path) as stage:
        (stage.workspace / "plan.md").write_text("Ship it.")
        call = CallTool(name="files", arguments='{"operation": "list"}')
        stage.model.reply(Reply(deltas=("Let me look.",), calls=(call,)))
        stage.answers("There is one file: plan.md.")
        await surface.say("What is in the workspace?")
        await stage.until(
            lambda: any("There is one file: plan.md." in text for text in surface.shown())
        )
        results = [m for m in await stage.asked(2) if m["role"] == "tool"]
        assert len(results) == 1
        assert "plan.md" in results[0]["content"]
        assert len(surface.shown()) == 1


async def test_new_begins_without_the_past(surface: Surface, tmp_path: Path) -> None:
    """After /new the model sees nothing of what was said before."""
    async with Stage(surface, path=tmp_path) as stage:
        stage.answers("Noted.", "You have not told me.")
        await surface.say("My number is 7.")
        await stage.reads("Noted.")
        await surface.command("new")
        await stage.sees("Fresh session")
        await surface.say("What is my number?")
        await stage.sees("You have not told me.")
        assert words(await stage.asked(2)) == [("user", "What is my number?")]


async def test_stop_in_mid_stream(surface: Surface, tmp_path: Path) -> None:
    """/stop ends the stream at once; what was shown stays, marked; the next turn works."""
    held = asyncio.Event()
    async with Stage(surface, path=tmp_path) as stage:
        beginning = "This is the beginning of a story that never ends"
        stage.model.reply(Reply(deltas=(f"{beginning}, and", held, " nobody reads this.")))
        await surface.say("Tell me a story.")
        await stage.until(lambda: any(beginning in text for text in surface.shown()))
        await surface.command("stop")
        await stage.until(lambda: any("Stopped by" in text for text in surface.shown()))
        await stage.model.hung_up()
        assert beginning in surface.shown()[0]
        assert not any("nobody reads this" in text for text in surface.shown())
        stage.answers("Yes, I am here.")
        await surface.say("Are you there?")
        await stage.sees("Yes, I am here.")


async def test_redelivered_message_is_answered_once(
    each_transport: Surface, tmp_path: Path
) -> None:
    """The same message delivered again, also under another delivery id, starts nothing."""
    surface = each_transport
    async with Stage(surface, path=tmp_path) as stage:
        stage.answers("Once.", "Twice asked, twice answered.")
        message = await surface.say("Only once, please.")
        await stage.reads("Once.")
        await surface.redeliver(message)
        await surface.say("Now something else.")
        await stage.reads("Once.", "Twice asked, twice answered.")
        await stage.outcome("duplicate")


async def test_malformed_event_disturbs_nobody(each_transport: Surface, tmp_path: Path) -> None:
    """What makes no sense is kept with its reason and the next message is answered."""
    surface = each_transport
    async with Stage(surface, path=tmp_path) as stage:
        stage.answers("Still here.")
        await surface.malformed()
        await surface.say("Are you still there?")
        await stage.reads("Still here.")


@pytest.mark.needs("has_strangers")
async def test_unlisted_person_is_ignored(surface: Surface, tmp_path: Path) -> None:
    """Someone who is not let in gets no answer and no model call, and `why` says the reason."""
    async with Stage(surface, path=tmp_path) as stage:
        stage.answers("Hello Ann.")
        message = await surface.say("Let me in!", by="mallory")
        await surface.say("Hello")
        await stage.reads("Hello Ann.")
        assert len(stage.model.asked) == 1
        story = "\n".join(await stage.running.operator.why(surface.ref(message)))
        assert "sender_not_listed" in story


@pytest.mark.needs("has_groups")
async def test_group_message_must_address_the_bot(surface: Surface, tmp_path: Path) -> None:
    """In a group only words to the bot are answered, and the others have a reason."""
    async with Stage(surface, path=tmp_path) as stage:
        stage.answers("Hello team.")
        unaddressed = await surface.say("Lunch, anyone?", group=True)
        await surface.say("say hello to the team", group=True, mention=True)
        await stage.reads("Hello team.", group=True)
        (asked,) = words(await stage.asked(1))
        *before, addressed = asked[1].split("\n\n")
        assert addressed in {"say hello to the team", "ann: say hello to the team"}
        assert all(text.startswith(HEAD) and "Lunch, anyone?" in text for text in before)
        story = "\n".join(await stage.running.operator.why(surface.ref(unaddressed)))
        assert "not_addressed" in story


@pytest.mark.needs("has_replies")
async def test_reply_addresses_the_bot(surface: Surface, tmp_path: Path) -> None:
    """In a group a reply to what the bot said needs no mention, and goes on with the session."""
    async with Stage(surface, path=tmp_path) as stage:
        stage.answers("Hello Ann.", "Very well, thank you.")
        await surface.say("good morning", group=True, mention=True)
        await stage.reads("Hello Ann.", group=True)
        await surface.reply("How are you?")
        await stage.reads("Hello Ann.", "Very well, thank you.", group=True)
        roles = [role for role, _ in words(await stage.asked(2))]
        assert roles == ["user", "assistant", "user"]


async def test_answer_survives_a_restart(each_transport: Surface, tmp_path: Path) -> None:
    """After a stop and a start the session goes on where it was."""
    surface = each_transport
    async with Stage(surface, path=tmp_path) as stage:
        stage.answers("I will remember.", "It was 7.")
        await surface.say("My number is 7.")
        await stage.reads("I will remember.")
        await stage.halt()
        await stage.start()
        await surface.say("What was it?")
        await stage.sees("It was 7.")
        assert len(await stage.asked(2)) == 4
