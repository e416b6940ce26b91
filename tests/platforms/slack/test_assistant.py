"""The assistant view: prompts without a greeting, a title from the first words, a sign of life."""

import logging

import pytest

from platforms.content import Typing
from platforms.events import CommandHelp, Ignored, MessageReceived
from platforms.slack.assistant import prompts_of, title_of
from platforms.slack.limits import PROMPTS_MAX, STATUS_MAX, TITLE_MAX
from tests.platforms.slack.journal import ADA, Journal, chat_of, running
from tests.wire.slack import SlackServer

HELP = CommandHelp(name="help", summary="What I can do", summaries={"de": "Was ich kann"})
STATUS = CommandHelp(name="status", summary="How things stand")
TITLED, PROMPTED = "assistant.threads.setTitle", "assistant.threads.setSuggestedPrompts"


async def test_a_thread_of_the_assistant_view_is_a_topic_with_prompts_and_a_title() -> None:
    """Opening it says nothing and shows prompts; the first words are its title, later ones not."""
    async with SlackServer(assistant=True) as server:
        journal = Journal()
        async with running(server, journal, prompts=(HELP, STATUS)) as adapter:
            chat, root = await server.open_assistant(user=ADA, viewed="C1")
            await server.seen(lambda seen: seen.operation == PROMPTED)
            assert server.world.prompts[chat, root] == {
                "What I can do": "!help",
                "How things stand": "!status",
            }
            first = await journal.count(2)
            reasons = [d.events.reason for d in first if isinstance(d.events, Ignored)]
            assert reasons == ["service_message"] * 2
            assert len(server.messages(chat)) == 1

            await server.say(chat=chat, user=ADA, text="Why is the build red?\nsince noon")
            await server.say(chat=chat, user=ADA, text="Why is the build red?\nX", thread=root)
            await server.seen(lambda seen: seen.operation == TITLED)
            await server.say(chat=chat, user=ADA, text="and now?", thread=root)
            await journal.count(5)
            heard = [e for e in journal.events if isinstance(e, MessageReceived)]
            assert [e.thread_kind for e in heard] == ["none", "topic", "topic"]
            assert heard[1].chat == heard[1].reply_to == chat_of(server, chat, root)
            assert server.world.titles == {(chat, root): "Why is the build red?"}

            for label in ("reads the log", "x" * (STATUS_MAX + 1), ""):
                await adapter.perform(Typing(chat=heard[1].chat, label=label, on=bool(label)))
            shown = [status for _, _, status in server.world.status_history]
            assert shown == ["reads the log", "x" * STATUS_MAX, ""]


@pytest.mark.parametrize(("assistant", "kind"), [(True, "topic"), (False, "reply")])
async def test_threads_of_direct_messages_are_topics_in_the_assistant_view_only(
    assistant: bool, kind: str
) -> None:
    """The rights of the token tell, also where a message itself does not."""
    async with SlackServer(assistant=assistant) as server:
        journal = Journal()
        async with running(server, journal):
            root = await server.say(chat="D1", user=ADA, text="root")
            await server.say(chat="D1", user=ADA, text="reply", thread=root)
            await server.say(chat="C1", user=ADA, text="channel", thread=root)
            await journal.count(3)
            found = {
                e.text: e.thread_kind for e in journal.events if isinstance(e, MessageReceived)
            }
            assert found == {"root": "none", "reply": kind, "channel": "reply"}


async def test_prompts_speak_the_language_of_who_opened_the_thread() -> None:
    """By the locale Slack knows of them; what has no words in it stays as it is."""
    async with SlackServer(assistant=True) as server:
        server.person(ADA, "ada").locale = "de-DE"
        async with running(server, Journal(), prompts=(HELP, STATUS)):
            place = await server.open_assistant(user=ADA)
            await server.seen(lambda seen: seen.operation == PROMPTED)
            assert list(server.world.prompts[place]) == ["Was ich kann", "How things stand"]


async def test_without_the_right_a_thread_stays_bare(caplog: pytest.LogCaptureFixture) -> None:
    """It is said once which right is missing, and everything else goes on."""
    caplog.set_level(logging.WARNING)
    async with SlackServer(assistant=True) as server:
        server.methods.scopes.discard("assistant:write")
        journal = Journal()
        async with running(server, journal, prompts=(HELP,)):
            chat, root = await server.open_assistant(user=ADA)
            await server.seen(lambda seen: seen.operation == PROMPTED)
            await server.say(chat=chat, user=ADA, text="hello", thread=root)
            await server.settled()
            assert [e.text for e in journal.events if isinstance(e, MessageReceived)] == ["hello"]
            assert TITLED not in [seen.operation for seen in server.record]
        said = [line for line in caplog.messages if "assistant:write" in line]
        assert len(said) == 1


async def test_no_more_prompts_than_slack_takes() -> None:
    """One too many is left out rather than all refused."""
    many = tuple(CommandHelp(name=f"c{n}", summary=f"S{n}") for n in range(PROMPTS_MAX + 1))
    async with SlackServer(assistant=True) as server, running(server, Journal(), prompts=many):
        place = await server.open_assistant(user=ADA)
        await server.seen(lambda seen: seen.operation == PROMPTED)
        assert len(server.world.prompts[place]) == PROMPTS_MAX == 4


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("  short \nmore", "short"),
        ("x" * TITLE_MAX, "x" * TITLE_MAX),
        ("x" * (TITLE_MAX + 1), "x" * (TITLE_MAX - 1) + "…"),
    ],
)
def test_titles(text: str, title: str) -> None:
    """The first line, cut where it is too long."""
    assert title_of(text) == title


def test_an_unknown_locale_reads_english() -> None:
    """Nobody is left without words."""
    assert [each["title"] for each in prompts_of((HELP,), None)] == ["What I can do"]
