"""The transcript as a Messages request: what becomes of each message."""

import base64
from dataclasses import replace

import orjson
import pytest

from agent.messages import (
    Media,
    Message,
    Note,
    Origin,
    PartialReply,
    ProviderPart,
    ResultStatus,
    Summary,
    Text,
)
from agent.providers.anthropic_messages.request import BEFORE, GO_ON
from agent.providers.base import Adjustments
from tests.agent.providers.anthropic_transcripts import (
    FILES,
    HERE,
    MARK,
    MODEL,
    PICTURE,
    SISTER,
    THERE,
    body_of,
    call,
    encoder,
    rendered,
    reply,
    request,
    result,
    said,
    text,
    thought,
    tool_result,
    use,
    user,
)
from tests.agent.providers.pictures import noisy, sent_sides


def test_a_plain_request() -> None:
    """Model, cap, marked system and message, a stream; nothing that was not asked for."""
    assert body_of(user("hello"), system="Be kind.") == {
        "model": MODEL,
        "max_tokens": 8192,
        "system": [{**text("Be kind."), "cache_control": MARK}],
        "messages": [{"role": "user", "content": [{**text("hello"), "cache_control": MARK}]}],
        "stream": True,
    }


def test_cap_tools_and_no_stream() -> None:
    """The call's own cap goes before the endpoint's; tools have a schema, the last one a mark."""
    other = replace(FILES, name="other")
    body = body_of(
        user("x"),
        tools=(FILES, other),
        max_output_tokens=9,
        adjustments=Adjustments(stream=False),
    )
    assert (body["max_tokens"], body["stream"]) == (9, False)
    assert [tool["name"] for tool in body["tools"]] == ["files", "other"]
    assert [tool.get("cache_control") for tool in body["tools"]] == [None, MARK]
    assert body["tools"][0]["input_schema"] == FILES.parameters


def test_keywords_are_stripped_when_asked() -> None:
    """The copy without `pattern` is the outgoing one alone."""
    coder = encoder()
    for keywords, found in ((False, None), (True, "^a"), (False, None)):
        adjusted = Adjustments(keywords=keywords)
        body = body_of(user("x"), coder=coder, tools=(FILES,), adjustments=adjusted)
        assert body["tools"][0]["input_schema"]["properties"]["path"].get("pattern") == found


def test_past_calls_without_tools_have_definitions() -> None:
    """A transcript with calls is refused without tools; those of the past may not be called."""
    body = body_of(user("a"), said("", call("c1")), result("c1"), user("b"))
    assert [tool["name"] for tool in body["tools"]] == ["files"]
    assert body["tool_choice"] == {"type": "none"}
    assert "tools" not in body_of(user("a"))


def test_neighbours_of_one_side_become_one_message() -> None:
    """Words of several people, notes and summaries join; speakers are named on one line."""
    assert rendered(
        Summary(text="s"),
        user("a", "Ann\nB."),
        user("b"),
        Note(text="n"),
        said("c"),
        said("d"),
        user("e"),
    ) == [
        {
            "role": "user",
            "content": [
                text("[Summary of what was said before: s]"),
                text("Ann B.: a"),
                text("b"),
                text("[Note from the gateway, not from a person: n]"),
            ],
        },
        {"role": "assistant", "content": [text("c"), text("d")]},
        {"role": "user", "content": [text("e")]},
    ]


def test_empty_words_are_left_out() -> None:
    """Empty messages go, and what they kept apart comes together."""
    foreign = reply(thought(origin=THERE), origin=THERE)
    assert rendered(user("a"), PartialReply(text=" "), foreign, user(""), user("b", "Ann")) == [
        {"role": "user", "content": [text("a"), text("Ann: b")]}
    ]


def test_results_come_first_after_their_calls() -> None:
    """Calls keep their order, results stand before what people said meanwhile."""
    failed = result("c2", "", status=ResultStatus.FAILED)
    assert rendered(
        user("a"),
        said("look", call("c1", arguments='{"a":1}'), call("c2")),
        result("c1"),
        failed,
        user("b"),
    )[1:] == [
        {"role": "assistant", "content": [text("look"), use("c1", {"a": 1}), use("c2")]},
        {
            "role": "user",
            "content": [
                tool_result("c1"),
                tool_result("c2", "(no output)", is_error=True),
                text("b"),
            ],
        },
    ]


def test_arguments_go_back_byte_for_byte() -> None:
    """Large numbers, order and spaces stay as the model wrote them; no object is `{}`."""
    written = '{"b": 123456789012345678901234567890, "a" : 1.0}'
    messages = (user("a"), said("", call("c1", arguments=written)), result("c1"))
    assert b'"input":' + written.encode() + b"}" in encoder().encode(request(*messages))
    broken = (user("a"), said("", call("c1", arguments="{cut")), result("c1"))
    assert rendered(*broken)[1]["content"] == [use("c1")]


@pytest.mark.parametrize(
    ("origin", "provider_ids", "expected"),
    [
        (HERE, ("toolu_1", "toolu_2"), ["toolu_1", "toolu_2"]),
        (THERE, ("p1", "p2"), ["c1", "c2"]),
        (SISTER, ("p1", "p2"), ["c1", "c2"]),
        (HERE, ("p1", "p1"), ["c1", "c2"]),
    ],
    ids=["its own", "foreign", "another model", "not distinct"],
)
def test_provider_ids_return_to_their_origin_only(
    origin: Origin, provider_ids: tuple[str, str], expected: list[str]
) -> None:
    """A provider sees its own ids if they can be told apart, every other one sees ours."""
    calls = [call(f"c{n}", i) for n, i in enumerate(provider_ids, 1)]
    messages = rendered(user("a"), said("", *calls, origin=origin), result("c1"), result("c2"))
    assert [block["id"] for block in messages[1]["content"]] == expected
    assert [block["tool_use_id"] for block in messages[2]["content"]] == expected


def test_pictures() -> None:
    """Pictures are base64 before the words about them, in results too; the rest is a line."""
    image = {
        "type": "image",
        "source": {
            "type": "base64",
            "media_type": "image/png",
            "data": base64.b64encode(PICTURE.data).decode(),
        },
    }
    song = Media(mime="audio/ogg", data=b"x")
    first, _, last = rendered(
        user("look", "", PICTURE, song),
        said("", call("c1"), call("c2")),
        result("c1", media=(PICTURE,)),
        result("c2", "", media=(PICTURE,)),
    )
    assert first["content"][0] == image
    assert first["content"][1]["text"].startswith("[A file (audio/ogg")
    assert first["content"][2] == text("look")
    assert last["content"] == [
        tool_result("c1", [text("ok"), image]),
        tool_result("c2", [image]),
    ]


@pytest.mark.parametrize(
    ("adjustments", "in_message", "in_result"),
    [
        (Adjustments(), "image", "image"),
        (Adjustments(media=False), "text", "text"),
        (Adjustments(tool_media=False), "image", "text"),
        (Adjustments(image_bytes=4), "text", "text"),
        (Adjustments(image_bytes=8), "image", "image"),
    ],
)
def test_pictures_that_are_not_taken(
    adjustments: Adjustments, in_message: str, in_result: str
) -> None:
    """What an entry can't take is a line of text; a smaller limit leaves small pictures."""
    first, _, last = rendered(
        user("", "", PICTURE),
        said("", call("c1")),
        result("c1", "", media=(PICTURE,)),
        adjustments=adjustments,
    )
    assert first["content"][0]["type"] == in_message
    assert last["content"][0]["content"][0]["type"] == in_result


def test_pictures_that_are_too_large_are_made_smaller() -> None:
    """In messages and in results; their type goes with them."""
    large, adjustments = noisy(200, 100), Adjustments(image_bytes=40_000)
    called = (said("", call("c1")), result("c1", "", media=(large,)))
    first, _, last = rendered(user("", "", large), *called, adjustments=adjustments)
    shown = first["content"][0]
    assert shown["source"]["media_type"] == "image/jpeg"
    assert len(shown["source"]["data"]) <= 40_000
    assert sent_sides(shown["source"]["data"]) == ("JPEG", (200, 100))
    assert last["content"][0]["content"] == [shown]


def test_a_transcript_that_begins_with_the_model() -> None:
    """A person begins: what was cut off before is named."""
    assert rendered(said("a"), user("b"))[0] == {"role": "user", "content": [text(BEFORE)]}


def test_a_reply_of_ours_at_the_end_goes_on_as_it_stands() -> None:
    """A paused reply is the last message, byte for byte but for white space at its very end."""
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    part = ProviderPart(origin=HERE, shape="server_tool_use", payload=orjson.dumps(search))
    messages = rendered(user("a"), reply(Text(text=" b \n"), part, Text(text="c \n")))
    assert messages[1] == {"role": "assistant", "content": [text(" b \n"), search, text("c")]}


@pytest.mark.parametrize("last", [PartialReply(text="half"), said("half", origin=THERE)])
def test_other_words_at_the_end_are_not_put_into_its_mouth(last: Message) -> None:
    """Newer models refuse an answer begun by somebody else; they are asked to go on instead."""
    assert rendered(user("a"), last)[1:] == [
        {"role": "assistant", "content": [text("half")]},
        {"role": "user", "content": [text(GO_ON)]},
    ]


def test_what_json_cannot_hold_is_refused() -> None:
    """A lone surrogate is our fault and never sent."""
    with pytest.raises(TypeError):
        encoder().encode(request(user("\ud800")))
