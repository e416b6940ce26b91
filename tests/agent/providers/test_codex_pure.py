"""The codex protocol without a process: lines, questions, items, faults, and what is told."""

import tomllib
from typing import Any

import pytest

from agent.credentials import Lease
from agent.errors import (
    ContentBlocked,
    ContextOverflow,
    CredentialExhausted,
    ModelUnavailable,
    ProviderAuthFailed,
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderUnavailable,
    ReplyMalformed,
    RequestRejected,
    StreamBroken,
)
from agent.messages import (
    AssistantMessage,
    Media,
    Message,
    Note,
    Origin,
    PartialReply,
    ProviderPart,
    ResultStatus,
    Summary,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    UserMessage,
)
from agent.providers.attempt import Attempt
from agent.providers.base import (
    ActionFinished,
    ModelRerouted,
    PartCompleted,
    PulseReceived,
    ReasoningReceived,
    TextReceived,
    UsageReported,
)
from agent.providers.codex import asks, faults, prelude, protocol
from agent.providers.codex.asks import Approvable, Declined, Question, Unknown
from agent.providers.codex.items import Finished, TurnAborted, TurnItems, cut, outcome_of
from agent.providers.codex.losses import ChildLost, RpcRefused, Why
from agent.providers.codex.protocol import Answered, NoMessage, Notified, Requested, RpcFault

ORIGIN = Origin(provider="coder", endpoint="codex-app-server", model="gpt-test")


def notified(method: str, **params: Any) -> Notified:
    """A notification of the turn that is read."""
    return Notified(method=method, params={"threadId": "thr", "turnId": "t1", **params})


def requested(method: str, **params: Any) -> Requested:
    """A request of the child."""
    return Requested(id=7, method=method, params={"threadId": "thr", "turnId": "t1", **params})


# -- lines


def test_lines_carry_no_version_header() -> None:
    """What is sent is JSON-RPC without its version, one line a message."""
    line = protocol.request(3, "turn/start", {"a": 1})
    assert line == b'{"id":3,"method":"turn/start","params":{"a":1}}\n'
    assert b"jsonrpc" not in line


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id":1,"result":{"a":1}}', Answered(id=1, result={"a": 1})),
        (
            b'{"id":"x","error":{"code":-32001,"message":"busy"}}',
            Answered(id="x", error=RpcFault(code=-32001, message="busy")),
        ),
        (b'{"method":"turn/started","params":{}}', Notified(method="turn/started", params={})),
        (b'{"id":0,"method":"m","params":null}', Requested(id=0, method="m", params={})),
        (b'{"jsonrpc":"2.0","method":"m"}', Notified(method="m", params={})),
    ],
)
def test_a_line_is_one_of_three_messages(line: bytes, message: object) -> None:
    """Answers, notifications and requests are told apart by id and method."""
    assert protocol.read_line(line) == message


@pytest.mark.parametrize("line", [b"garbage", b"[1]", b"{}", b'{"id":true,"result":{}}', b'"x"'])
def test_other_lines_are_no_message(line: bytes) -> None:
    """What is neither of them says so."""
    with pytest.raises(NoMessage):
        protocol.read_line(line)


@pytest.mark.parametrize(
    ("agent", "version"),
    [("gatepost/0.169.0 (Debian)", (0, 169)), ("x/0.125 y", (0, 125)), ("none", None), (3, None)],
)
def test_the_version_is_in_the_name_it_gives_itself(
    agent: object, version: tuple[int, int] | None
) -> None:
    """The child tells its version when it is greeted."""
    assert protocol.version_of(agent) == version


def test_every_limit_is_said_explicitly() -> None:
    """Sandbox, policy and reviewer are in both requests, each in its own spelling."""
    thread = protocol.thread_params(model="m", provider="p", cwd="/w", instructions="i")
    turn = protocol.turn_params(thread="t", items=(), model="m", cwd="/w", effort="high")
    assert thread["sandbox"] == "read-only"
    assert turn["sandboxPolicy"] == {"type": "readOnly", "networkAccess": False}
    for params in (thread, turn):
        assert params["approvalPolicy"] == "on-request"
        assert params["approvalsReviewer"] == "user"
    assert turn["effort"] == "high"


@pytest.mark.parametrize(
    "opened",
    [
        {"sandbox": {"type": "workspaceWrite"}},
        {"sandbox": {"type": "readOnly", "networkAccess": True}},
        {"approvalPolicy": "never"},
        {"approvalsReviewer": "auto_review"},
    ],
)
def test_a_child_that_takes_more_is_noticed(opened: dict[str, Any]) -> None:
    """What the thread was opened with is compared to what was asked for."""
    assert protocol.loosened(opened)
    assert not protocol.loosened({"sandbox": {"type": "readOnly", "networkAccess": False}})


def test_the_environment_is_an_allow_list() -> None:
    """The child sees a few variables, its own home and its own key."""
    ours = {"PATH": "/bin", "HOME": "/root", "OPENAI_API_KEY": "no", "SLACK_TOKEN": "no"}
    seen = protocol.environment(ours, home="/state/codex", key="k")
    assert seen == {
        "PATH": "/bin",
        "CODEX_HOME": "/state/codex",
        "HOME": "/state/codex",
        protocol.KEY_VARIABLE: "k",
    }


def test_the_configuration_holds_no_secret() -> None:
    """A key is named by its variable; sub-agents are off."""
    text = protocol.config_file(base_url='http://127.0.0.1:1/v1?a="b"')
    assert 'base_url = "http://127.0.0.1:1/v1?a=\\"b\\""' in text
    assert f'env_key = "{protocol.KEY_VARIABLE}"' in text
    assert "multi_agent = false" in text
    assert tomllib.loads(text)["sandbox_mode"] == "read-only"


# -- questions

CHANGE = {"path": "/w/a", "kind": {"type": "add"}, "diff": "x\n"}
STARTED = {"type": "fileChange", "id": "i", "changes": [CHANGE]}


def test_a_command_is_shown_with_all_it_would_get() -> None:
    """Command, directory and further permissions are the call, and are what is bound."""
    ask = asks.read_ask(
        requested(
            asks.COMMAND_METHOD,
            itemId="i",
            command="rm -r x",
            cwd="/w",
            reason="why",
            additionalPermissions={"network": {"enabled": True}, "fileSystem": None},
        ),
        None,
    )
    assert isinstance(ask, Approvable)
    assert ask.arguments == {
        "command": "rm -r x",
        "cwd": "/w",
        "permissions": {"network": {"enabled": True}},
        "reason": "why",
    }


def test_file_changes_come_from_the_item_that_began() -> None:
    """The request lacks the changes; those of item/started are shown and bound."""
    ask = asks.read_ask(requested(asks.FILES_METHOD, itemId="i"), STARTED)
    assert isinstance(ask, Approvable)
    assert ask.arguments == {"changes": [{"path": "/w/a", "kind": "add", "diff": "x\n"}]}


@pytest.mark.parametrize(
    ("method", "params", "started"),
    [
        (asks.COMMAND_METHOD, {"itemId": "i", "cwd": "/w"}, None),
        (asks.COMMAND_METHOD, {"itemId": "i", "command": "x"}, None),
        (asks.COMMAND_METHOD, {"itemId": "i", "command": "x", "cwd": "/", "kind": "new"}, None),
        (
            asks.COMMAND_METHOD,
            {"itemId": "i", "command": "x", "cwd": "/", "networkApprovalContext": {"host": "h"}},
            None,
        ),
        (asks.FILES_METHOD, {"itemId": "i"}, None),
        (asks.FILES_METHOD, {"itemId": "i"}, {"changes": [{"path": "/a"}]}),
        (asks.FILES_METHOD, {"itemId": "i", "grantRoot": "/w"}, STARTED),
    ],
)
def test_unknown_contents_are_declined_and_told(
    method: str, params: dict[str, Any], started: dict[str, Any] | None
) -> None:
    """A question that does not say all it means is put to nobody."""
    ask = asks.read_ask(requested(method, **params), started)
    assert isinstance(ask, Declined)
    assert ask.reply == {"decision": "decline"}
    assert "declined" in ask.line


def test_permissions_get_an_empty_grant() -> None:
    """Lasting permissions are never given, and that is told."""
    ask = asks.read_ask(
        requested(asks.PERMISSIONS_METHOD, itemId="i", permissions={"network": {"enabled": True}}),
        None,
    )
    assert isinstance(ask, Declined)
    assert ask.reply == {"permissions": {}, "scope": "turn"}
    assert ask.line


@pytest.mark.parametrize("method", ["item/tool/call", "execCommandApproval", "x/y"])
def test_other_requests_are_unknown(method: str) -> None:
    """Whatever else is asked gets the error of an unknown method."""
    assert asks.read_ask(requested(method), None) == Unknown()
    assert b'"code":-32601' in protocol.refusal(4, method)


def test_a_question_of_the_agent_is_ours_to_ask() -> None:
    """One question with its options becomes a card, and its answer goes where it was asked."""
    ask = asks.read_ask(
        requested(
            asks.QUESTION_METHOD,
            itemId="i",
            questions=[{"id": "q", "question": "Which?", "options": [{"label": "A"}]}],
        ),
        None,
    )
    assert isinstance(ask, Question)
    assert ask.arguments == {"question": "Which?", "options": ["A"]}
    assert asks.answer_to(ask, "A") == {"answers": {"q": {"answers": ["A"]}}}
    assert asks.no_answer_to(ask) == {"answers": {}}


def test_a_form_with_one_field_is_a_question() -> None:
    """So is what a tool of the agent asks for, if a card can hold it."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    ask = asks.read_ask(
        requested(asks.ELICITATION_METHOD, mode="form", message="Who?", requestedSchema=schema),
        None,
    )
    assert isinstance(ask, Question)
    assert asks.answer_to(ask, "Ann") == {"action": "accept", "content": {"name": "Ann"}}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        (asks.QUESTION_METHOD, {"questions": []}),
        (asks.QUESTION_METHOD, {"questions": [{"id": "q", "question": "?", "isSecret": True}]}),
        (asks.QUESTION_METHOD, {"questions": [{"id": "a"}, {"id": "b"}]}),
        (asks.ELICITATION_METHOD, {"mode": "url", "message": "m", "url": "https://x"}),
        (
            asks.ELICITATION_METHOD,
            {
                "mode": "form",
                "message": "Allow the tool?",
                "_meta": {"codex_approval_kind": "mcp_tool_call"},
                "requestedSchema": {"properties": {"a": {"type": "string"}}},
            },
        ),
    ],
)
def test_what_no_card_holds_is_declined(method: str, params: dict[str, Any]) -> None:
    """Secrets, several questions, pages and approvals by the back door are declined and told."""
    ask = asks.read_ask(requested(method, itemId="i", **params), None)
    assert isinstance(ask, Declined)
    assert "declined" in ask.line


def test_a_fingerprint_is_what_runs() -> None:
    """The reason is not bound; command, directory and permissions each are."""
    base = {"command": "x", "cwd": "/w"}
    first = asks.fingerprint(asks.COMMAND, base)
    assert asks.fingerprint(asks.COMMAND, {**base, "reason": "other"}) == first
    others = (
        {**base, "command": "x "},
        {**base, "cwd": "/"},
        {**base, "permissions": {"network": {"enabled": True}}},
    )
    assert len({first, *(asks.fingerprint(asks.COMMAND, each) for each in others)}) == 4


# -- items


def test_deltas_are_shown_and_the_item_counts() -> None:
    """The completed message is the part; the reader gets what the deltas left out."""
    items = TurnItems()
    assert items.take(notified("item/agentMessage/delta", itemId="m", delta="He")) == [
        TextReceived(text="He")
    ]
    item = {"type": "agentMessage", "id": "m", "text": "Hello"}
    assert items.take(notified("item/completed", item=item)) == [
        TextReceived(text="llo"),
        PartCompleted(part=Text(text="Hello")),
    ]


def test_messages_of_one_step_are_paragraphs() -> None:
    """Interim words and the answer do not run together."""
    items = TurnItems()
    for number in (1, 2):
        item = {"type": "agentMessage", "id": f"m{number}", "text": f"Text {number}."}
        last = items.take(notified("item/completed", item=item))
    assert last == [
        TextReceived(text="\n\nText 2."),
        PartCompleted(part=Text(text="\n\nText 2.")),
    ]


@pytest.mark.parametrize("size", [1, 3, 40])
def test_the_agents_word_of_an_abort_is_never_shown(size: int) -> None:
    """It ends the turn, however it is cut, and nothing of it reaches the reader."""
    items = TurnItems()
    text = "Well <b> <turn_aborted> more"
    shown = ""
    with pytest.raises(TurnAborted):
        for start in range(0, len(text), size):
            piece = text[start : start + size]
            for event in items.take(notified("item/agentMessage/delta", itemId="m", delta=piece)):
                shown += event.text if isinstance(event, TextReceived) else ""
    assert "<turn" not in shown
    with pytest.raises(TurnAborted):
        TurnItems().take(
            notified("item/completed", item={"type": "agentMessage", "id": "m", "text": text})
        )


@pytest.mark.parametrize(
    ("item", "name", "status", "text"),
    [
        (
            {"type": "commandExecution", "command": "ls", "cwd": "/w", "status": "completed"}
            | {"exitCode": 2, "aggregatedOutput": "no\n"},
            "codex_command",
            ResultStatus.DONE,
            "Exit code 2.\nno",
        ),
        (
            {"type": "commandExecution", "command": "ls", "cwd": "/w", "status": "declined"},
            "codex_command",
            ResultStatus.REFUSED,
            "It was declined and did not run.",
        ),
        (
            {"type": "fileChange", "changes": [CHANGE], "status": "completed"},
            "codex_files",
            ResultStatus.DONE,
            "Changed:\n/w/a",
        ),
        (
            {"type": "fileChange", "changes": [CHANGE], "status": "failed"},
            "codex_files",
            ResultStatus.FAILED,
            "The changes could not be made:\n/w/a",
        ),
        (
            {"type": "mcpToolCall", "server": "s", "tool": "t", "arguments": {}, "status": "x"}
            | {"result": {"content": [{"type": "text", "text": "found"}]}},
            "codex_mcp",
            ResultStatus.DONE,
            "found",
        ),
        (
            {"type": "mcpToolCall", "server": "s", "tool": "t", "error": {"message": "broken"}},
            "codex_mcp",
            ResultStatus.FAILED,
            "broken",
        ),
        (
            {"type": "webSearch", "query": "q"},
            "codex_web_search",
            ResultStatus.DONE,
            "Searched; the agent has read what it found.",
        ),
    ],
)
def test_what_the_child_does_is_a_call_with_its_result(
    item: dict[str, Any], name: str, status: ResultStatus, text: str
) -> None:
    """Every provider can read on."""
    (event,) = TurnItems().take(notified("item/completed", item={"id": "i", **item}))
    assert isinstance(event, ActionFinished)
    assert (event.call.name, event.status, event.text) == (name, status, text)
    assert event.call.id == ""


def test_what_people_decided_on_is_told_apart() -> None:
    """The end of an action that was asked is for whoever waits for it, not a second call."""
    items = TurnItems()
    items.decided.add("i")
    item = {"type": "commandExecution", "id": "i", "status": "completed", "exitCode": 0}
    (event,) = items.take(notified("item/completed", item=item))
    assert event == Finished(item="i", status=ResultStatus.DONE, text="Exit code 0.")


def test_an_action_without_a_result_is_unknown() -> None:
    """Unless it still waits for people, or only searched."""
    items = TurnItems()
    for number, kind in enumerate(("commandExecution", "webSearch", "fileChange")):
        item = {"type": kind, "id": f"i{number}", "changes": [CHANGE], "command": "c"}
        items.take(notified("item/started", item=item))
    items.decided.add("i2")
    (doubt,) = items.open_actions()
    assert doubt.status is ResultStatus.UNKNOWN
    assert doubt.call.provider_id == "i0"


def test_other_items_are_counted() -> None:
    """What is no part of a reply is a sign of life; the folding of the thread is noted."""
    items = TurnItems()
    item = {"type": "contextCompaction", "id": "z"}
    assert items.take(notified("item/completed", item=item)) == [PulseReceived()]
    assert items.others == {"contextCompaction": 1}
    assert items.take(notified("something/new")) == [PulseReceived()]


def test_reasoning_and_rerouting() -> None:
    """Thinking is for the reader, a reroute names the model that is paid for."""
    items = TurnItems()
    assert items.take(notified("item/reasoning/textDelta", delta="hm")) == [
        ReasoningReceived(text="hm")
    ]
    assert items.take(notified("model/rerouted", fromModel="a", toModel="b")) == [
        ModelRerouted(model="b")
    ]


def used(total: int, last: int) -> Notified:
    """A report of tokens."""
    shapes = {
        name: {"inputTokens": count, "outputTokens": count // 10, "cachedInputTokens": 1}
        for name, count in (("total", total), ("last", last))
    }
    return notified("thread/tokenUsage/updated", tokenUsage=shapes)


@pytest.mark.parametrize(
    ("before", "reports", "counted"),
    [
        (None, [(500, 100)], [100]),  # resumed: the thread's own past is not paid again
        (Usage(input=400, output=40), [(500, 100), (700, 200)], [100, 300]),
        (Usage(input=400, output=40), [(500, 100), (500, 100)], [100, 100]),  # said twice
        (Usage(input=400, output=40), [(150, 50)], [50]),  # turns were taken back
    ],
)
def test_a_step_pays_for_what_it_used(
    before: Usage | None, reports: list[tuple[int, int]], counted: list[int]
) -> None:
    """Totals of the thread become tokens of the step."""
    items = TurnItems(before)
    seen = [event for report in reports for event in items.take(used(*report))]
    assert [e.usage.input for e in seen if isinstance(e, UsageReported)] == counted


def test_a_further_step_is_counted_anew() -> None:
    """What a step has settled is not settled again by the next."""
    items = TurnItems(Usage(input=0, output=0))
    items.take(used(100, 100))
    items.step_began()
    (event,) = items.take(used(130, 30))
    assert isinstance(event, UsageReported)
    assert event.usage.input == 30


def test_absurd_usage_is_left_out() -> None:
    """No figure is made up from one that is none."""
    items = TurnItems()
    for bad in ({}, {"inputTokens": -1}, {"inputTokens": True}, {"inputTokens": "3"}):
        message = notified("thread/tokenUsage/updated", tokenUsage={"total": bad})
        assert items.take(message) == []


def test_long_outputs_keep_both_ends() -> None:
    """The middle of a long output is left out, and that is said."""
    text = cut("a" * 20_000)
    assert "[3616 characters left out here]" in text
    status, _ = outcome_of({"type": "commandExecution", "status": "inProgress"})
    assert status is ResultStatus.UNKNOWN


# -- faults


def attempt() -> Attempt:
    """An attempt of the entry."""
    return Attempt(ORIGIN, Lease(label="coder", headers={"Authorization": "Bearer abcdef-key"}))


@pytest.mark.parametrize(
    ("info", "message", "kind"),
    [
        ("contextWindowExceeded", "too long", ContextOverflow),
        ("usageLimitExceeded", "You've hit your usage limit.", CredentialExhausted),
        ("usageLimitExceeded", "Usage limit. Try again at 5 PM.", ProviderRateLimited),
        ("rateLimitExceeded", "slow down", ProviderRateLimited),
        ("serverOverloaded", "busy", ProviderOverloaded),
        ("modelNotFound", "no such model", ModelUnavailable),
        ("cyberPolicy", "blocked", ContentBlocked),
        ("unauthorized", "no", ProviderAuthFailed),
        ("badRequest", "this request can't be taken as it stands", RequestRejected),
        ("internalServerError", "oops", ProviderUnavailable),
        ({"httpConnectionFailed": {"httpStatusCode": 401}}, "x", ProviderAuthFailed),
        ({"responseTooManyFailedAttempts": {"httpStatusCode": 429}}, "x", ProviderRateLimited),
        ({"responseStreamDisconnected": {"httpStatusCode": None}}, "x", ProviderUnavailable),
        ("other", "unexpected status 401 Unauthorized: bad key, url: http://x", ProviderAuthFailed),
        ("other", "something", ProviderUnavailable),
        ("newInALaterVersion", "something", ProviderUnavailable),
        (None, "", ProviderUnavailable),
    ],
)
def test_a_failed_turn_is_classified_like_everybodys_error(
    info: object, message: str, kind: type[ProviderError]
) -> None:
    """codexErrorInfo and its HTTP status go through the one classification."""
    error = faults.of_turn({"message": message, "codexErrorInfo": info}, attempt())
    assert type(error) is kind


def test_an_overloaded_child_says_so_by_its_code() -> None:
    """JSON-RPC -32001 is an overload."""
    refused = RpcRefused("turn/start", RpcFault(code=-32001, message="Server overloaded"))
    assert isinstance(faults.of_refusal(refused, attempt()), ProviderOverloaded)


@pytest.mark.parametrize(
    ("why", "kind"),
    [
        ("login", ProviderAuthFailed),
        ("unfit", RequestRejected),
        ("junk", ReplyMalformed),
        ("ended", StreamBroken),
        ("aborted", StreamBroken),
        ("silent", StreamBroken),
        ("deadline", StreamBroken),
        ("timeout", StreamBroken),
    ],
)
def test_a_lost_child_is_one_typed_error(why: Why, kind: type[ProviderError]) -> None:
    """Its last words are for operators, and keys are cut out of them."""
    lost = ChildLost(why, "it went away")
    error = faults.of_loss(lost, "last words with abcdef-key", attempt())
    assert type(error) is kind
    assert "last words" in str(error)
    assert "abcdef-key" not in str(error)


# -- what is told


def step_of(turn: str, *parts: Any, summary: str = "", thread: str = "thr") -> AssistantMessage:
    """A message of the child."""
    mark = prelude.Mark(thread=thread, turn=turn, summary=summary).part(ORIGIN)
    return AssistantMessage(parts=(*parts, mark), origin=ORIGIN)


def test_the_transcript_says_what_the_thread_knows() -> None:
    """The newest mark names the thread; what stands after it is what it does not know."""
    messages: tuple[Message, ...] = (
        UserMessage(text="one"),
        step_of("t1", Text(text="a")),
        UserMessage(text="two"),
        step_of("t2", Text(text="b")),
        UserMessage(text="three"),
    )
    seen = prelude.known(messages, ORIGIN)
    assert seen.mark is not None
    assert (seen.mark.thread, seen.mark.turn) == ("thr", "t2")
    assert seen.turns == {"t1", "t2"}
    assert seen.rest == (UserMessage(text="three"),)


def test_marks_of_others_and_of_another_model_are_not_ours() -> None:
    """A mark is bound to its Origin, and to replay."""
    other = Origin(provider="coder", endpoint="codex-app-server", model="other")
    foreign = AssistantMessage(
        parts=(prelude.Mark(thread="x", turn="y").part(other),), origin=other
    )
    assert prelude.known((foreign,), ORIGIN).mark is None
    assert prelude.known((step_of("t1"),), ORIGIN, replay=False).mark is None
    broken = ProviderPart(origin=ORIGIN, shape=prelude.SHAPE, payload=b"{}")
    message = AssistantMessage(parts=(broken,), origin=ORIGIN)
    assert prelude.known((message,), ORIGIN).mark is None


def test_a_summary_is_known_by_its_words() -> None:
    """The thread is folded when the chat's summary is another than at its last step."""
    first = prelude.known((Summary(text="a"), UserMessage(text="x")), ORIGIN).summary
    second = prelude.known((Summary(text="b"),), ORIGIN).summary
    assert first and second and first != second
    assert prelude.known((), ORIGIN).summary == ""


def test_the_background_is_marked_and_the_request_is_not_in_it() -> None:
    """Turns of others, summaries and what was cut off are told before what is asked now."""
    call = ToolCall(id="c", name="files", arguments='{"path":"a"}')
    messages: tuple[Message, ...] = (
        Summary(text="Earlier: a plan."),
        UserMessage(text="do it", author="Ann"),
        AssistantMessage(
            parts=(Text(text="Reading."), call),
            origin=Origin(provider="p", endpoint="e", model="m"),
        ),
        ToolResult(call_id="c", name="files", status=ResultStatus.FAILED, text="no such file"),
        PartialReply(text="I was"),
        Note(text="be quick"),
        UserMessage(text="and now?", author="Bob"),
    )
    (item,) = prelude.turn_input(messages, media=True)
    text = item["text"]
    background, _, now = text.partition(prelude.BACKGROUND_ENDS)
    assert background.startswith(prelude.BACKGROUND)
    for words in (
        "Summary of earlier messages: Earlier: a plan.",
        "User: Ann: do it",
        "Assistant: Reading.",
        'Assistant called files: {"path":"a"}',
        "Result of files (failed): no such file",
        "Assistant (cut off): I was",
    ):
        assert words in background
    assert now.strip() == "[be quick]\n\nBob: and now?"


def test_nothing_to_say_is_going_on() -> None:
    """A turn has an input, whatever the transcript ends with."""
    (item,) = prelude.turn_input((PartialReply(text="x"),), media=True)
    assert item["text"].endswith(prelude.GO_ON)


def test_pictures_go_with_what_is_asked_now() -> None:
    """Or a line says that they are not shown."""
    message = UserMessage(text="see", media=(Media(mime="image/png", data=b"\x89", name="a.png"),))
    _, picture = prelude.turn_input((message,), media=True)
    assert picture == {"type": "image", "url": "data:image/png;base64,iQ=="}
    _, line = prelude.turn_input((message,), media=False)
    assert "a.png" in line["text"]
    (old,) = prelude.turn_input((message, PartialReply(text="x")), media=True)
    assert "[a.png was attached]" in old["text"]


def test_results_of_its_own_calls_are_our_words() -> None:
    """A thread that is resumed is told what became of what it had asked for."""
    call = ToolCall(id="c1", name="codex_command", arguments='{"command":"x","cwd":"/w"}')
    result = ToolResult(
        call_id="c1", name="codex_command", status=ResultStatus.REFUSED, text="Denied by Ann."
    )
    seen = prelude.known((step_of("t1", call), result), ORIGIN)
    assert prelude.reopened(seen) == (Note(text="Your command 'x' in /w: Denied by Ann."),)
    assert list(seen.results()) == [(call, result)]
    words = prelude.steer_words(seen.results(), (UserMessage(text="hurry"),))
    assert words == "[Your command 'x' in /w was not carried out. Denied by Ann.]\n\nhurry"
