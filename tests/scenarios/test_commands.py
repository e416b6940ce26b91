"""Commands are answered by the gateway itself; no model is asked."""

import asyncio
from pathlib import Path

import pytest

from tests.scenarios.stage import SPARE, Stage, Surface
from tests.wire.openai import Reply


async def test_questions_are_answered(surface: Surface, tmp_path: Path) -> None:
    """/help, /status, /model and /whoami say what there is, also before the first message."""
    async with Stage(surface, path=tmp_path) as stage:
        await surface.command("help")
        await stage.sees("whoami: your ids and this session")
        await surface.command("status")
        assert "loopback-1" in await stage.sees("nothing is running")
        await surface.command("model")
        await stage.sees("main: loopback-1")
        await surface.command("whoami")
        await stage.sees(surface.me)


async def test_nothing_to_stop(surface: Surface, tmp_path: Path) -> None:
    """/stop says so when nothing runs."""
    async with Stage(surface, path=tmp_path) as stage:
        await surface.command("stop")
        await stage.sees("Nothing is running here.")


async def test_one_language_for_everybody(few_surfaces: Surface, tmp_path: Path) -> None:
    """Configured, commands and what stands under an answer are in it, whatever a client tells."""
    surface, held = few_surfaces, asyncio.Event()
    async with Stage(surface, path=tmp_path, gateway='language = "de"') as stage:
        await surface.command("undo")
        await stage.sees("Von dieser Sitzung gibt es nichts")
        stage.model.reply(Reply(deltas=("This is my answer, and it is cut", held, " no more")))
        await surface.say("Tell me.")
        await stage.sees("This is my answer")
        await surface.command("stop")
        await stage.sees("Angehalten von")


@pytest.mark.needs("has_any_commands")
async def test_unknown_command_names_near_ones(surface: Surface, tmp_path: Path) -> None:
    """A slip of the keyboard is no question to the model."""
    async with Stage(surface, path=tmp_path) as stage:
        await surface.command("hlep")
        assert "help?" in await stage.sees("Did you mean")


@pytest.mark.needs("has_strangers")
async def test_strangers_give_no_commands(surface: Surface, tmp_path: Path) -> None:
    """A command of somebody who is not let in does nothing and is not answered."""
    held = asyncio.Event()
    async with Stage(surface, path=tmp_path) as stage:
        stage.model.reply(Reply(deltas=("This is my answer, and nobody", held, " stopped it.")))
        await surface.say("Tell me.")
        await stage.sees("This is my answer")
        await surface.command("stop", by="mallory")
        await surface.command("stop", "all", by="mallory")
        await stage.outcome("sender_not_listed", 2)
        held.set()
        await stage.reads("This is my answer, and nobody stopped it.")


async def test_model_is_chosen_for_the_session(surface: Surface, tmp_path: Path) -> None:
    """/model NAME takes effect with the next turn."""
    async with Stage(surface, path=tmp_path, spare=True) as stage:
        assert stage.spare is not None
        await surface.command("model", "spare")
        await stage.sees(f"this session uses {SPARE}")
        stage.spare.reply("At your service.")
        await surface.say("Who is there?")
        await stage.sees("At your service.")


async def test_an_answer_is_taken_back(surface: Surface, tmp_path: Path) -> None:
    """/undo: the model does not read the question and its answer again."""
    async with Stage(surface, path=tmp_path) as stage:
        stage.model.reply("Paris.")
        await surface.say("capital of France?")
        await stage.reads("Paris.")
        await surface.command("undo")
        await stage.sees("Taken back: capital of France?")
        stage.model.reply("Rome.")
        await surface.say("capital of Italy?")
        await stage.sees("Rome.")
        assert "France" not in str(stage.model.asked[-1])


async def test_a_question_is_answered_again(surface: Surface, tmp_path: Path) -> None:
    """/retry: the same words, as if they had not been answered."""
    async with Stage(surface, path=tmp_path) as stage:
        stage.model.reply("Lyon.")
        await surface.say("capital of France?")
        await stage.reads("Lyon.")
        stage.model.reply("Paris.")
        await surface.command("retry")
        await stage.sees("Paris.")
        sent = str(stage.model.asked[-1])
        assert "capital of France?" in sent
        assert "Lyon" not in sent


async def test_thinking_and_memory_are_chosen(surface: Surface, tmp_path: Path) -> None:
    """/effort and /compact say from when on they hold."""
    async with Stage(surface, path=tmp_path) as stage:
        await surface.command("effort", "high")
        await stage.sees("this session thinks at high")
        stage.model.reply("Paris.")
        await surface.say("capital of France?")
        await stage.sees("Paris.")
        await surface.command("compact")
        await stage.sees("before my next answer here")
