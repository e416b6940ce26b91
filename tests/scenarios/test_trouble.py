"""When a provider fails or the gateway stops, people read a plain sentence or the whole answer."""

import asyncio
from pathlib import Path

from tests.scenarios.stage import MODEL, SPARE, Stage, Surface, words
from tests.wire.openai import Cut, Reply, Stream, chunk

BEGINNING = "This is the beginning of a longer answer"


def broken(broke: asyncio.Event) -> Stream:
    """A stream that ends in its middle once `broke` is set."""
    return Stream(
        steps=(chunk({"role": "assistant"}), chunk({"content": f"{BEGINNING}, and"}), broke, Cut())
    )


async def test_provider_is_down(surface: Surface, tmp_path: Path) -> None:
    """A refused connection is one sentence with a reference, and the next turn works."""
    async with Stage(surface, path=tmp_path) as stage:
        await stage.lose_model()
        await surface.say("Hello?")
        assert "(ref t1)" in await stage.sees("could not reach a model")
        await stage.find_model()
        stage.answers("I am back.")
        await surface.say("And now?")
        await stage.sees("I am back.")


async def test_provider_refuses_the_key(surface: Surface, tmp_path: Path) -> None:
    """People read that the operator must look; the key is nowhere."""
    async with Stage(surface, path=tmp_path, api_key="sk-wrong") as stage:
        await surface.say("Hello?")
        sentence = await stage.sees("needs attention (login)")
        assert "(ref t1)" in sentence
        story = "\n".join(await stage.running.operator.why("t1"))
        assert "sk-wrong" not in sentence + story


async def test_stream_breaks(surface: Surface, tmp_path: Path) -> None:
    """With nobody else to ask, what was shown stays and is marked; the next turn works."""
    broke = asyncio.Event()
    async with Stage(surface, path=tmp_path) as stage:
        stage.model.reply(*[broken(broke)] * 3)
        await surface.say("Tell me.")
        await stage.sees(BEGINNING)
        broke.set()
        text = await stage.sees("this is not the whole answer")
        assert text.startswith(BEGINNING)
        assert surface.shown() == [text]
        stage.answers("And here is the rest.")
        await surface.say("Go on.")
        await stage.reads(text, "And here is the rest.")


async def test_stream_breaks_and_another_answers(surface: Surface, tmp_path: Path) -> None:
    """The answer of the second provider stands alone in the same message, with one line about it.

    The next turn is the primary's again and says so; the one after it says nothing.
    """
    broke = asyncio.Event()
    async with Stage(surface, path=tmp_path, spare=True) as stage:
        assert stage.spare is not None
        stage.model.reply(broken(broke), broken(broke))
        stage.spare.reply("This comes from the second provider, and is whole.")
        await surface.say("Tell me.")
        await stage.sees(BEGINNING)
        broke.set()
        switched = await stage.sees("Answered by")
        assert switched.splitlines()[0] == "This comes from the second provider, and is whole."
        assert switched.splitlines()[-1] == f"Answered by {SPARE}; {MODEL} is resting."
        assert surface.shown() == [switched]
        assert words(stage.spare.asked[0]["messages"]) == [("user", "Tell me.")]
        stage.answers("I am well again.", "As always.")
        await surface.say("And you?")
        back = await stage.sees("Back on")
        assert back.splitlines()[0] == "I am well again."
        assert back.splitlines()[-1] == f"Back on {MODEL}."
        await surface.say("Good.")
        await stage.reads(switched, back, "As always.")
        assert len(stage.spare.asked) == 1


async def test_gateway_stops_in_mid_stream(each_transport: Surface, tmp_path: Path) -> None:
    """The next start takes the turn up again: asked anew, answered once, in the same message."""
    surface = each_transport
    held = asyncio.Event()
    async with Stage(surface, path=tmp_path, drain_s=0) as stage:
        stage.model.reply(Reply(deltas=(f"{BEGINNING}, and", held, " nobody reads this.")))
        await surface.say("Tell me.")
        await stage.sees(BEGINNING)
        await stage.halt()
        stage.answers("Here it is, from beginning to end.", "You are welcome.")
        await stage.start()
        await stage.reads("Here it is, from beginning to end.")
        assert words(await stage.asked(2)) == [("user", "Tell me.")]
        await surface.say("Thank you.")
        await stage.reads("Here it is, from beginning to end.", "You are welcome.")
