"""Every row of the table of defaults that belongs to an hf_* tool, with each switch both ways."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hub import Hub
from agent.tools.base import EffectClass, Malformed, RiskTag, Verdict
from agent.tools.hf_access import HubAccess
from agent.tools.hf_jobs import HfJobsTool
from agent.tools.hf_private_repos import HfPrivateReposTool
from agent.tools.hf_repo_files import HfRepoFilesTool
from agent.tools.hf_repo_git import HfRepoGitTool
from agent.tools.hf_sandbox import HfSandboxTool
from tests.agent.tools.hub_prices import catalogue_prices
from tests.agent.tools.hub_room import SECRETS, prepared, refused

ALLOW, ASK = Verdict.ALLOW, Verdict.ASK
PURE, KEYED, PROBE, ONCE = (
    EffectClass.PURE,
    EffectClass.KEYED,
    EffectClass.PROBE,
    EffectClass.ONCE,
)
OUTWARD, DESTRUCTIVE, RECURRING = RiskTag.OUTWARD, RiskTag.DESTRUCTIVE, RiskTag.RECURRING
COMMAND = {"command": ["python", "-c", "pass"]}
SCRIPT = {"script": "print(1)"}
CRON = {"schedule": "@daily"}
JOB = {"job_id": "6705742a17e498f905164d19"}
REPO = {"repo": "acme-research/model"}
PATH = {**REPO, "path": "a.txt"}


def access(payer: str = "acme-research") -> HubAccess:
    """Accounts, and a Hub nobody reaches."""
    hub = Hub(token="t" * 12, base_url="http://127.0.0.1:1", now_s=lambda: 0.0)
    return HubAccess(
        hub=hub,
        payer=payer,
        accounts=(payer,),
        holds=lambda text: False,
        prices=catalogue_prices(),
        now_us=lambda: 0,
    )


def jobs(**switches: bool) -> HfJobsTool:
    """The jobs tool with these switches."""
    return HfJobsTool(
        access=access(),
        workspace=Path("/workspace"),
        secrets=SECRETS,
        **switches,
    )


JOB_ROWS: list[tuple[str, dict[str, Any], EffectClass, Verdict, set[RiskTag]]] = [
    ("ps", {}, PURE, ALLOW, set()),
    ("logs", JOB, PURE, ALLOW, set()),
    ("inspect", JOB, PURE, ALLOW, set()),
    ("scheduled ps", {}, PURE, ALLOW, set()),
    ("scheduled inspect", JOB, PURE, ALLOW, set()),
    ("run", COMMAND, PROBE, ASK, set()),
    ("run", {**COMMAND, "expose": [8000]}, PROBE, ASK, {OUTWARD}),
    ("run", {**COMMAND, "ssh": True}, PROBE, ASK, {OUTWARD}),
    ("uv", SCRIPT, PROBE, ASK, set()),
    ("scheduled run", {**COMMAND, **CRON}, PROBE, ASK, {RECURRING}),
    ("scheduled uv", {**SCRIPT, **CRON}, PROBE, ASK, {RECURRING}),
    ("scheduled resume", JOB, PROBE, ASK, {RECURRING}),
    ("scheduled suspend", JOB, PROBE, ASK, {RECURRING}),
    ("scheduled trigger", JOB, PROBE, ASK, set()),
    ("scheduled delete", JOB, PROBE, ASK, {DESTRUCTIVE}),
    ("cancel", JOB, KEYED, ASK, {DESTRUCTIVE}),
]


@pytest.mark.parametrize(("operation", "arguments", "effect", "default", "tags"), JOB_ROWS)
def test_jobs_have_these_defaults(
    operation: str,
    arguments: dict[str, Any],
    effect: EffectClass,
    default: Verdict,
    tags: set[RiskTag],
) -> None:
    """Reading is free, starting is asked, schedules are asked by hand in every mode."""
    call = prepared(jobs(), operation=operation, **arguments)

    assert (call.effect, call.default, call.tags) == (effect, default, frozenset(tags))
    assert call.declared
    assert call.firm is (operation.startswith("scheduled") and default is ASK)


@pytest.mark.parametrize("confirm", [True, False])
@pytest.mark.parametrize("operation", ["run", "uv"])
@pytest.mark.parametrize(
    ("flavor", "is_cpu"),
    [("cpu-basic", True), ("cpu-upgrade", True), ("cpu-xl", False), ("t4-small", False)],
)
def test_small_cpu_jobs_need_no_question_where_the_switch_says_so(
    confirm: bool, operation: str, flavor: str, is_cpu: bool
) -> None:
    """`confirm_cpu_jobs = false` allows the two small sizes and no other."""
    what = COMMAND if operation == "run" else SCRIPT
    call = prepared(jobs(confirm_cpu_jobs=confirm), operation=operation, flavor=flavor, **what)

    assert call.default is (ALLOW if is_cpu and not confirm else ASK)


@pytest.mark.parametrize("confirm", [True, False])
def test_no_switch_allows_a_schedule_of_cpu_jobs(confirm: bool) -> None:
    """A schedule is asked by hand, however small its jobs."""
    tool = jobs(confirm_cpu_jobs=confirm)
    call = prepared(tool, operation="scheduled run", **COMMAND, **CRON)

    assert call.default is ASK
    assert call.firm


@pytest.mark.parametrize("confirm", [True, False])
@pytest.mark.parametrize(
    ("operation", "arguments", "switched"),
    [
        ("scheduled ps", {}, True),
        ("scheduled inspect", JOB, True),
        ("ps", {}, False),
        ("inspect", JOB, False),
        ("logs", JOB, False),
    ],
)
def test_looking_at_schedules_is_asked_where_the_switch_says_so(
    confirm: bool, operation: str, arguments: dict[str, Any], switched: bool
) -> None:
    """`confirm_scheduled_reads = true` is about schedules alone."""
    tool = jobs(confirm_scheduled_reads=confirm)
    call = prepared(tool, operation=operation, **arguments)

    assert call.default is (ASK if confirm and switched else ALLOW)


SANDBOX_ROWS: list[tuple[str, dict[str, Any], EffectClass, Verdict, set[RiskTag], str]] = [
    ("create", {}, PROBE, ASK, set(), ""),
    ("replace", {}, PROBE, ASK, {DESTRUCTIVE}, ""),
    ("exec", COMMAND, ONCE, ALLOW, set(), "sandbox output"),
    ("write", {"path": "/a", "content": "x"}, ONCE, ALLOW, set(), ""),
    ("read", {"path": "/a"}, PURE, ALLOW, set(), "sandbox output"),
    ("kill", {}, ONCE, ALLOW, set(), ""),
]


@pytest.mark.parametrize(
    ("operation", "arguments", "effect", "default", "tags", "taints"), SANDBOX_ROWS
)
def test_sandboxes_have_these_defaults(
    *,
    operation: str,
    arguments: dict[str, Any],
    effect: EffectClass,
    default: Verdict,
    tags: set[RiskTag],
    taints: str,
) -> None:
    """What nobody has looked at asks; what happens inside is allowed and taints."""
    tool = HfSandboxTool(access=access())
    call = prepared(tool, operation=operation, **arguments)

    assert (call.effect, call.default, call.tags) == (effect, default, frozenset(tags))
    assert call.taints == taints


@pytest.mark.parametrize("auto", [True, False])
@pytest.mark.parametrize(
    ("operation", "arguments", "effect", "default", "switched"),
    [
        ("create_repo", REPO, KEYED, ASK, False),
        ("upload_file", {**PATH, "content": "x"}, KEYED, ASK, True),
        ("list", REPO, PURE, ALLOW, False),
        ("read", PATH, PURE, ALLOW, False),
    ],
)
def test_private_repositories_have_these_defaults(
    *,
    auto: bool,
    operation: str,
    arguments: dict[str, Any],
    effect: EffectClass,
    default: Verdict,
    switched: bool,
) -> None:
    """`auto_file_upload = true` is about uploads alone."""
    workspace = Path("/workspace")
    tool = HfPrivateReposTool(access=access(), workspace=workspace, auto_file_upload=auto)
    call = prepared(tool, operation=operation, **arguments)

    assert (call.effect, call.tags) == (effect, frozenset())
    assert call.default is (ALLOW if auto and switched else default)


@pytest.mark.parametrize(
    ("operation", "arguments", "effect", "default", "tags"),
    [
        ("list", REPO, PURE, ALLOW, set()),
        ("read", PATH, PURE, ALLOW, set()),
        ("upload", {**PATH, "content": "x"}, KEYED, ASK, {OUTWARD}),
        ("delete", PATH, ONCE, ASK, {DESTRUCTIVE}),
    ],
)
def test_repository_files_have_these_defaults(
    operation: str,
    arguments: dict[str, Any],
    effect: EffectClass,
    default: Verdict,
    tags: set[RiskTag],
) -> None:
    """Reading is free; what changes a repository is asked."""
    tool = HfRepoFilesTool(access=access(), workspace=Path("/workspace"))
    call = prepared(tool, operation=operation, **arguments)

    assert (call.effect, call.default, call.tags) == (effect, default, frozenset(tags))


@pytest.mark.parametrize(
    ("operation", "arguments", "effect", "default", "tags"),
    [
        ("list_refs", {}, PURE, ALLOW, set()),
        ("list_commits", {}, PURE, ALLOW, set()),
        ("list_prs", {}, PURE, ALLOW, set()),
        ("get_pr", {"num": 1}, PURE, ALLOW, set()),
        ("create_branch", {"branch": "b"}, KEYED, ASK, set()),
        ("create_tag", {"tag": "t"}, KEYED, ASK, set()),
        ("create_pr", {"title": "A title"}, ONCE, ASK, {OUTWARD}),
        ("comment_pr", {"num": 1, "text": "hi"}, ONCE, ASK, {OUTWARD}),
        ("close_pr", {"num": 1}, ONCE, ASK, {OUTWARD}),
        ("create_repo", {}, ONCE, ASK, {OUTWARD}),
        ("update_repo", {"visibility": "public"}, ONCE, ASK, {OUTWARD}),
        ("merge_pr", {"num": 1}, ONCE, ASK, {DESTRUCTIVE}),
        ("delete_branch", {"branch": "b"}, ONCE, ASK, {DESTRUCTIVE}),
        ("delete_tag", {"tag": "t"}, ONCE, ASK, {DESTRUCTIVE}),
    ],
)
def test_git_has_these_defaults(
    operation: str,
    arguments: dict[str, Any],
    effect: EffectClass,
    default: Verdict,
    tags: set[RiskTag],
) -> None:
    """Reading is free, the rest is asked until somebody has looked whose repository it is."""
    tool = HfRepoGitTool(access=access(), workspace=Path("/workspace"))
    call = prepared(tool, operation=operation, **REPO, **arguments)

    assert (call.effect, call.default, call.tags) == (effect, default, frozenset(tags))


ALL: list[tuple[Any, dict[str, Any]]] = [
    *((jobs(), {"operation": row[0], **row[1]}) for row in JOB_ROWS),
    *((HfSandboxTool(access=access()), {"operation": row[0], **row[1]}) for row in SANDBOX_ROWS),
    (
        HfPrivateReposTool(access=access(), workspace=Path("/w")),
        {"operation": "Upload-File", "repo": "model", "path": "a", "source_path": "./b//c.txt"},
    ),
    (
        HfRepoFilesTool(access=access(), workspace=Path("/w")),
        {"operation": "upload", **PATH, "content": "x"},
    ),
    (HfRepoGitTool(access=access(), workspace=Path("/w")), {"operation": "list refs", **REPO}),
]


@pytest.mark.parametrize(("tool", "arguments"), ALL)
def test_preparing_what_was_prepared_changes_nothing(tool: Any, arguments: dict[str, Any]) -> None:
    """A call's stored arguments give the same call again."""
    call = prepared(tool, **arguments)

    assert tool.prepare(dict(call.arguments)) == call


NAMES = sorted({name for tool, _ in ALL for name in (*tool.spec.parameters["properties"], "args")})
WRITTEN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["run", "uv", "create", "upload", "acme-research/m", "45m", "a.py", "@daily"]),
    st.lists(st.text(max_size=5) | st.integers(), max_size=3),
    st.dictionaries(st.sampled_from(NAMES), st.text(max_size=5) | st.integers(), max_size=3),
)


@given(st.sampled_from(ALL), st.dictionaries(st.sampled_from(NAMES), WRITTEN, max_size=4))
def test_preparing_never_raises(row: tuple[Any, dict[str, Any]], odd: dict[str, Any]) -> None:
    """Whatever is written over a call that fits, it is a call again or an answer."""
    tool, arguments = row
    call = tool.prepare({**arguments, **odd})

    assert isinstance(call, Malformed) or tool.prepare(dict(call.arguments)) == call


@pytest.mark.parametrize(
    "written",
    ["scheduled run", " Scheduled  Run ", "SCHEDULED_RUN", "scheduled-run", "scheduled\t_run"],
)
def test_an_operation_is_known_in_odd_case_and_spacing(written: str) -> None:
    """The gate sees one name, however the model writes it."""
    assert prepared(jobs(), operation=written, **COMMAND, **CRON).operation == "scheduled run"


@pytest.mark.parametrize("alias", ["hardware_flavor", "hardware", "flavor"])
def test_aliases_of_the_hardware_fold(alias: str) -> None:
    """One field, whatever it is called, also inside `args`."""
    assert prepared(jobs(), operation="run", **COMMAND, **{alias: "t4-small"}).arguments[
        "flavor"
    ] == ("t4-small")
    nested = prepared(jobs(), operation="run", args={**COMMAND, alias: "t4-small"})
    assert nested.arguments["flavor"] == "t4-small"


def test_two_aliases_that_disagree_are_malformed() -> None:
    """Nobody guesses which of two prices was meant."""
    text = refused(
        jobs(), operation="run", **COMMAND, flavor="cpu-basic", hardware_flavor="a100-large"
    )

    assert "'flavor' is given twice" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"operation": "rum", **COMMAND}, "Did you mean 'run'?"),
        ({"operation": "run", **COMMAND, "detach": True}, "Unknown field 'detach'"),
        ({"operation": "run", "command": "python x.py"}, "must be a list of strings"),
        ({"operation": "run"}, "The field 'command' is missing"),
        ({"operation": "run", "args": "now"}, "'args' must be an object"),
        ({"operation": "uv"}, "Give either `script` or `script_path`"),
        ({"operation": "uv", "script": "1", "script_path": "a.py"}, "Give either"),
        ({"operation": "uv", **SCRIPT, "dependencies": ["--index-url=x"]}, "'dependencies'"),
        ({"operation": "uv", "script_path": "../x.py"}, "'script_path' is refused"),
        ({"operation": "run", **COMMAND, "secrets": ["OTHER"]}, "There is no secret 'OTHER'"),
        ({"operation": "run", **COMMAND, "expose": [0]}, "'expose'"),
        ({"operation": "run", **COMMAND, "expose": [True]}, "'expose'"),
        ({"operation": "run", **COMMAND, "flavor": "cpu basic"}, "'flavor'"),
        ({"operation": "scheduled run", **COMMAND, "schedule": "often"}, "'schedule' is refused"),
        ({"operation": "ps", "timeout": "1h"}, "'timeout'"),
        ({"operation": "logs", "job_id": "../x"}, "'job_id'"),
        ({"operation": "run", **COMMAND, "namespace": "a/b"}, "'namespace'"),
    ],
)
def test_what_does_not_fit_says_why(arguments: dict[str, Any], words: str) -> None:
    """A malformed call names the field and the expected shape, and asks nobody."""
    assert words in refused(jobs(), **arguments)


LITERAL = (
    "hf_" + "a1B2" * 9,
    "sk-" + "proj-" + "x9Y8" * 6,
    "ghp_" + "Zz09" * 9,
    "xoxb-" + "1234567890-abcdef",
    "AKIA" + "ABCDEFGHIJKLMNOP",
    "-----BEGIN RSA " + "PRIVATE KEY-----",
)


@pytest.mark.parametrize("secret", LITERAL)
@pytest.mark.parametrize("place", ["env", "command", "script", "nested"])
def test_a_literal_secret_is_refused_and_not_repeated(secret: str, place: str) -> None:
    """A token in arguments never reaches a card; the answer doesn't hold it either."""
    arguments: dict[str, Any] = {
        "env": {"operation": "run", **COMMAND, "env": {"TOKEN": secret}},
        "command": {"operation": "run", "command": ["curl", f"--header=x:{secret}"]},
        "script": {"operation": "uv", "script": f"login('{secret}')"},
        "nested": {"operation": "run", "args": {**COMMAND, "env": {secret: "x"}}},
    }[place]
    text = refused(jobs(), **arguments)

    assert "There is a secret in" in text
    assert secret not in text


def test_a_configured_secret_is_refused_whatever_it_looks_like() -> None:
    """The values of the configuration are known by heart."""
    hub = access().hub
    known = HubAccess(
        hub=hub,
        payer="a",
        accounts=("a",),
        holds=lambda text: "plain-words" in text,
        prices=catalogue_prices(),
        now_us=lambda: 0,
    )
    tools: tuple[Any, ...] = (
        HfSandboxTool(access=known),
        HfRepoFilesTool(access=known, workspace=Path("/w")),
        HfRepoGitTool(access=known, workspace=Path("/w")),
        HfPrivateReposTool(access=known, workspace=Path("/w")),
    )
    calls: tuple[dict[str, Any], ...] = (
        {"operation": "write", "path": "/a", "content": "plain-words"},
        {"operation": "upload", **PATH, "content": "plain-words"},
        {"operation": "create_pr", **REPO, "title": "plain-words"},
        {"operation": "upload_file", **PATH, "content": "plain-words"},
    )
    for tool, call in zip(tools, calls, strict=True):
        assert "There is a secret in" in refused(tool, **call)


def test_risky_fields_matter_to_a_rule_that_allows() -> None:
    """An allow rule has to speak of secrets, ports, ssh, and another image."""
    usual = prepared(jobs(), operation="run", **COMMAND)
    risky = prepared(
        jobs(),
        operation="run",
        **COMMAND,
        secrets=["WANDB_API_KEY"],
        expose=[80],
        ssh=True,
        image="evil/image",
    )

    assert usual.matters == ()
    assert set(risky.matters) == {"secrets", "expose", "ssh", "image"}
