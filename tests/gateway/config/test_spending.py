"""What a file says about money, people, rules and tools, and what becomes of it."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.predicates import Predicate, PredicateKind
from agent.rules import Example, Layer, Policy, Rule
from agent.tools.base import EffectClass, RiskTag, Tool, Verdict
from agent.tools.files import FilesTool
from gateway.config import ChatPattern, Config, ConfigError, Secret, UserId, load, rule_faults
from gateway.config.faults import Wrong
from gateway.config.ids import GroupId, Word
from gateway.config.reading import MOST_DOLLARS, money
from gateway.config.stand_in import advice
from gateway.config.values import (
    ApprovalsConfig,
    BudgetConfig,
    HuggingFaceConfig,
    McpConfig,
    PayersConfig,
    PeopleConfig,
    PriceConfig,
    ShellConfig,
    ToolsConfig,
    WebSearchConfig,
)
from platforms.events import Account, ChatRef

ANN = (UserId(platform="slack", space="T1", id="U1"), UserId(platform="telegram", id="1001"))
SPENDING = """
[budget]
turn = 0.5
session = 2
chat_day = "$3.25"
user_day = "4"
org_month = 100.000001
background_day = 0

[approvals]
expire_s = 600
owner_expire_s = 7200
approvers = ["slack:T1/U1", "slack:T1/S_ML", "discord:9/&7", "admins"]
requester_up_to = 0.25
approver_up_to = 10.0
two_person_above = 100.0
auto_max = 2.5
owner_chat = "slack:T1/C9"
confirm_cpu_jobs = false
confirm_scheduled_reads = true
auto_file_upload = true

[approvals.chats."slack:T1/*"]
approvers = ["slack:T1/U3"]
[approvals.chats."slack:T1/C1"]
approvers = []

[payers]
default = "acme-research"
others = ["acme-prod", "acme-research"]

[people]
ann = ["slack:T1/U1", "telegram:1001"]

[[policy]]
id = "ml-small-gpu"
tool = "hf_jobs"
op = ["Run", "scheduled-run"]
when = { flavor = { in = ["t4-small", "l4x1"] }, timeout_s = { min = 60, max = "1h" } }
ceiling = { min = 0, max = "$1.00" }
effect = ["probe"]
tags = { none = ["outward"], any = ["paid"], all = ["tainted"] }
chat = ["slack:T1/C1", "discord:42"]
user = ["telegram:1001", "slack:T1/S_ML", "discord:9/&7", "approvers"]
verdict = "allow"
reason = "small runs"
match = [{ op = "run", args = { n = 1.5, of = [1.0, "x"] }, ceiling = 0.24, tainted = true }]
no_match = [{ chat = "slack:T1/C2", user = "slack:T1/U9" }]

[[policy]]
tool = "*"
verdict = "ask"
layer = "platform"
firm = true
when.argv = { argv_prefix = ["git", "push"] }
when.url = { host_in = ["Example.org", "*.example.org"] }
when.secrets = { absent = false }

[[providers]]
name = "a"
api = "demo"
price = { input = 1.25, output = 10, cached_input = "$0.125" }
[[providers]]
name = "b"
api = "demo"
price = "included"

[tools]
enabled = ["files", "shell", "web_search", "send_message", "hf_jobs"]
workspace = "work"
[tools.shell]
environment = ["LANG"]
deadline_s = 30
[tools.web_search]
base_url = "http://127.0.0.1:1/search"
api_key = "k"
price = 0.005
max_price = 0.01
[tools.send_message]
destinations = { team = "slack:T1/C9" }
[tools.huggingface]
token = "hf_1"
base_url = "http://127.0.0.1:2/"
[tools.huggingface.secrets]
WANDB_API_KEY = "${WANDB}"

[[mcp]]
name = "github"
command = ["npx", "server"]
env = { TOKEN = "a b" }
effects = { list = "pure", close = "once" }
tags = { close = ["outward", "destructive"] }
price = { list = 0, close = 0.01 }
[[mcp]]
name = "notes"
url = "http://127.0.0.1:3/"
headers = { Authorization = "Bearer x" }
price = 0.02
"""


def written(directory: Path, text: str) -> Path:
    """Write a configuration file and return its path."""
    path = directory / "gatepost.toml"
    path.write_text(text)
    return path


def faults_of(directory: Path, text: str) -> list[str]:
    """What is said about a file, without its name."""
    path = written(directory, text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return [line.removeprefix(str(path)) for line in str(caught.value).splitlines()]


@pytest.fixture
def full(tmp_path: Path) -> Config:
    """The configuration above."""
    return load(written(tmp_path, SPENDING), {"WANDB": "value-of-wandb"})


def test_money_and_deciders(full: Config) -> None:
    """Amounts are whole micro-dollars; of single chats the closest list comes first."""
    assert full.budget == BudgetConfig(
        turn=500_000,
        session=2_000_000,
        chat_day=3_250_000,
        user_day=4_000_000,
        org_month=100_000_001,
        background_day=0,
    )
    team = ChatPattern(platform="slack", parts=("T1",), star=True)
    assert full.approvals == ApprovalsConfig(
        expire_s=600,
        owner_expire_s=7200,
        approvers=(
            ANN[0],
            GroupId(platform="slack", space="T1", id="S_ML"),
            GroupId(platform="discord", space="9", id="7"),
            Word.ADMINS,
        ),
        chats=(
            (ChatPattern(platform="slack", parts=("T1", "C1")), ()),
            (team, (UserId(platform="slack", space="T1", id="U3"),)),
        ),
        requester_up_to=250_000,
        approver_up_to=10_000_000,
        two_person_above=100_000_000,
        auto_max=2_500_000,
        owner_chat=ChatPattern(platform="slack", parts=("T1", "C9")),
        confirm_cpu_jobs=False,
        confirm_scheduled_reads=True,
        auto_file_upload=True,
    )


@pytest.mark.parametrize(
    ("chat", "approvers"),
    [("C1", ()), ("C2", (UserId(platform="slack", space="T1", id="U3"),)), (None, "general")],
)
def test_approvers_of_a_chat(full: Config, chat: str | None, approvers: object) -> None:
    """A chat's own list stands in place of the general one, an empty one too."""
    space = "T1" if chat else "T2"
    account = Account(platform="slack", id="A1")
    place = ChatRef(account=account, space=space, chat_id=chat or "C1", thread_id="1700.1")
    found = full.approvals.approvers_for((place,))
    assert found == (full.approvals.approvers if approvers == "general" else approvers)


def test_payers_and_people(full: Config) -> None:
    """The accounts to choose from, and one person under several ids."""
    assert full.payers == PayersConfig(
        default="acme-research", others=("acme-prod", "acme-research")
    )
    assert full.payers.accounts == ("acme-research", "acme-prod")
    assert PayersConfig().accounts == ()
    assert full.people == PeopleConfig(ids={"ann": ANN})
    assert full.people.canonical("telegram:1001") == "ann"
    assert full.people.canonical("telegram:1002") == "telegram:1002"
    assert full.people.linked("slack:T1/U1") == ("slack:T1/U1", "telegram:1001")
    assert full.people.linked("slack:T1/U2") == ("slack:T1/U2",)


def test_rules(full: Config) -> None:
    """Operations are normalised, lengths of time are seconds, a person is all their ids."""
    first, second = full.policy.rules
    assert first == Rule(
        id="ml-small-gpu",
        tool="hf_jobs",
        verdict=Verdict.ALLOW,
        reason="small runs",
        operations=frozenset({"run", "scheduled run"}),
        when={
            "flavor": (Predicate(kind=PredicateKind.IN, value=("t4-small", "l4x1")),),
            "timeout_s": (
                Predicate(kind=PredicateKind.MIN, value=60),
                Predicate(kind=PredicateKind.MAX, value=3600),
            ),
        },
        ceiling_min=0,
        ceiling_max=1_000_000,
        effects=frozenset({EffectClass.PROBE}),
        tags_none=frozenset({RiskTag.OUTWARD}),
        tags_any=frozenset({RiskTag.PAID}),
        tags_all=frozenset({RiskTag.TAINTED}),
        chats=("slack:T1/C1", "discord:42", "discord:*/42"),
        users=("slack:T1/U1", "telegram:1001"),
        groups=("slack:T1/S_ML", "discord:9/&7", "approvers"),
        match=(
            Example(
                operation="run",
                arguments={"n": 1.5, "of": [1, "x"]},
                ceiling=240_000,
                tainted=True,
            ),
        ),
        no_match=(Example(chat="slack:T1/C2", user="slack:T1/U9"),),
    )
    assert second == Rule(
        id="policy-2",
        tool="*",
        verdict=Verdict.ASK,
        layer=Layer.PLATFORM,
        firm=True,
        when={
            "argv": (Predicate(kind=PredicateKind.ARGV_PREFIX, value=("git", "push")),),
            "url": (Predicate(kind=PredicateKind.HOST_IN, value=("example.org", "*.example.org")),),
            "secrets": (Predicate(kind=PredicateKind.ABSENT, value=False),),
        },
    )
    assert full.policy.groups == {"slack:T1/S_ML", "discord:9/&7", "approvers"}
    assert full.policy.version != Policy().version


def test_tools_and_servers(full: Config, tmp_path: Path) -> None:
    """Each tool's own table, and what the operator declares of a server's tools."""
    assert full.tools == ToolsConfig(
        enabled=("files", "shell", "web_search", "send_message", "hf_jobs"),
        workspace=tmp_path / "work",
        shell=ShellConfig(environment=("LANG",), deadline_s=30),
        web_search=WebSearchConfig(
            base_url="http://127.0.0.1:1/search", api_key=Secret("k"), price=5000, max_price=10_000
        ),
        huggingface=HuggingFaceConfig(
            token=Secret("hf_1"),
            base_url="http://127.0.0.1:2",
            secrets={"WANDB_API_KEY": Secret("value-of-wandb")},
        ),
        destinations={"team": ChatPattern(platform="slack", parts=("T1", "C9"))},
    )
    github, notes = full.mcp
    assert github == McpConfig(
        name="github",
        command=("npx", "server"),
        env=(("TOKEN", Secret("a b")),),
        effects={"list": EffectClass.PURE, "close": EffectClass.ONCE},
        tags={"close": frozenset({RiskTag.OUTWARD, RiskTag.DESTRUCTIVE})},
        prices={"list": 0, "close": 10_000},
    )
    assert [github.price_of(tool) for tool in ("list", "close", "other")] == [0, 10_000, None]
    assert notes.headers == (("Authorization", Secret("Bearer x")),)
    assert (notes.url, notes.price_of("any")) == ("http://127.0.0.1:3", 20_000)
    assert [entry.price for entry in full.providers] == [
        PriceConfig(input=1_250_000, output=10_000_000, cached_input=125_000),
        "included",
    ]


@given(micros=st.integers(0, MOST_DOLLARS * 1_000_000))
def test_every_amount_is_read_exactly(micros: int) -> None:
    """No amount passes through a binary fraction, however it is written."""
    amount = Decimal(micros).scaleb(-6)
    assert money(amount) == money(f"${amount:f}") == money(f"{amount:f}000") == micros


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Decimal("0.1"), 100_000),
        (Decimal("1e3"), 1_000_000_000),
        (Decimal("-0.0"), 0),
        (Decimal("0e-999999999"), 0),
        (" $1 ", 1_000_000),
        (Decimal("0.0000001"), "has more than 6 decimals"),
        (Decimal("1e-999999999"), "has more than 6 decimals"),
        (Decimal("1e999999999"), "is too large"),
        (-1, "is too small: -1"),
        ("-$1", "is no amount"),
        ("$-1", "is too small: -1"),
        ("1,000", "is no amount"),
        ("free", "is no amount"),
        ("", "is no amount"),
        ("nan", "must be finite"),
        (Decimal("inf"), "must be finite"),
        (True, "not true or false"),
        ([1], "not a list"),
    ],
)
def test_what_is_an_amount(value: object, says: int | str) -> None:
    """Anything else says why, whatever its size."""
    if isinstance(says, int):
        assert money(value) == says
        return
    with pytest.raises(Wrong, match=says):
        money(value)


RULE = '[[policy]]\ntool = "hf_jobs"\nverdict = "ask"\n'
ALLOW = '[[policy]]\nid = "a"\ntool = "hf_jobs"\nverdict = "allow"\n'
MATCH = "match = [{ }]\n"

# Each row: the file, and what is said about it.
TABLE: tuple[tuple[str, str], ...] = (
    ("[budget]\nturn = -1.5", ":2: budget.turn: is too small: -1.5; write 0 or more"),
    ("[budget]\n\nchat_day = -5", ":3: budget.chat_day: is too small: -5; write 0 or more"),
    (
        "[budget]\nturn = 0.0000001",
        ":2: budget.turn: has more than 6 decimals; write whole millionths of a dollar",
    ),
    ("[budget]\nturn = nan", ":2: budget.turn: must be finite; write a number"),
    (
        '[budget]\nturn = "a lot"',
        ':2: budget.turn: "a lot" is no amount of dollars; write 1.25',
    ),
    (
        "[budget]\nturn = true",
        ":2: budget.turn: must be an amount of dollars, not true or false; write 1.25",
    ),
    ("[budget]\nchat_days = 1", ':2: budget.chat_days: unknown key; did you mean "chat_day"?'),
    ("budget = 5", ":1: budget: must be a table, not a number; write its keys under [budget]"),
    ("[web]\nturn = 1", ":2: web.turn: unknown key here; it belongs in [budget]"),
    (
        "[approvals]\nexpire_s = 5",
        ":2: approvals.expire_s: is too small: 5; write 60 or more",
    ),
    (
        "[approvals]\nrequester_up_to = 30",
        ":2: approvals.requester_up_to: lets whoever asks approve more than approvers may; keep"
        " requester_up_to at or below approver_up_to",
    ),
    (
        '[approvals]\napprovers = ["owners"]',
        ':2: approvals.approvers: "owners" means nobody here; list ids, or write "admins"',
    ),
    (
        '[approvals]\napprovers = ["discord:9/7"]',
        ':2: approvals.approvers: "discord:9/7" could be a person, a channel or a role; write a'
        ' role as "discord:GUILD/&ROLE" and a person as "discord:42"',
    ),
    (
        '[approvals]\nowner_chat = "slack:T1/*"',
        ':2: approvals.owner_chat: "slack:T1/*" names many chats; write the id of one',
    ),
    (
        '[approvals.chats."general"]\napprovers = []',
        ':1: approvals.chats.general: "general" is not a chat id: it names no platform; write'
        ' PLATFORM:ID, for example "telegram:-100200" or "slack:T1/C1"',
    ),
    (
        '[approvals.chats."slack:T1/C1"]\napproves = []',
        ":1: approvals.chats.slack:T1/C1.approvers: is missing; add it\n"
        ':2: approvals.chats.slack:T1/C1.approves: unknown key; did you mean "approvers"?',
    ),
    (
        '[payers]\ndefault = "acm\u0435"',
        ":2: payers.default: \"acm\u0435\" cannot be an account; use plain letters, digits, '.',"
        " '-' and '_'",
    ),
    (
        '[people]\nann = "slack:T1/U1"',
        ":2: people.ann: must be a list, not text; put the values in [ ]",
    ),
    (
        '[people]\nann = ["slack:T1/U1"]\nbob = ["telegram:1", "slack:T1/U1"]',
        ':3: people.bob: "slack:T1/U1" is ann already; one id is one person',
    ),
    (
        '[people]\n"telegram:1" = []',
        ':2: people.telegram:1: "telegram:1" cannot be a name; use up to 40 lower-case letters,'
        " digits, - and _",
    ),
    # rules
    ("policy = 1", ":1: policy: must be a list of tables; write [[policy]] above each entry"),
    (
        "[[policy]]",
        ":1: policy.1.tool: is missing; add it\n:1: policy.1.verdict: is missing; add it",
    ),
    (
        '[[policy]]\ntool = "hf_job"\nverdict = "ask"',
        ':2: policy.1.tool: "hf_job" is no tool; did you mean "hf_jobs"?',
    ),
    (
        '[[policy]]\ntool = "hf_*s"\nverdict = "ask"',
        ':2: policy.1.tool: "hf_*s" has a * in its middle; put it at the end, or name the tool',
    ),
    (
        '[[policy]]\ntool = "mcp:github/*"\nverdict = "ask"',
        ':2: policy.1.tool: there is no [[mcp]] server "github"; name one that stands there',
    ),
    (
        RULE + 'id = "a"\n' + RULE + 'id = "a"',
        ':8: policy.a.id: "a" is taken by a rule above; choose another',
    ),
    (
        RULE + "\n" + RULE + 'id = "policy-1"',
        ':8: policy.policy-1.id: "policy-1" is taken by a rule above; choose another',
    ),
    (RULE + 'verdct = "ask"', ':4: policy.1.verdct: unknown key; did you mean "verdict"?'),
    (
        '[[policy]]\ntool = "shell"\nverdict = "maybe"',
        ':3: policy.1.verdict: "maybe" is not one of its values; write "allow" or "ask" or "deny"',
    ),
    (
        ALLOW,
        ':4: policy.a.verdict: an allow rule shows what it allows; add match = [{ op = "...",'
        " args = { } }]",
    ),
    (
        ALLOW + MATCH + 'layer = "platform"',
        ':4: policy.a.verdict: a rule of the layer platform only tightens; write "ask" or "deny"',
    ),
    (
        ALLOW + MATCH + 'layer = "user"\nuser = ["owners"]',
        ':4: policy.a.verdict: a rule of the layer user only tightens; write "ask" or "deny"',
    ),
    (RULE + 'layer = "chat"', ":4: policy.1.layer: a rule of a chat names it; add chat = [...]"),
    (
        ALLOW + MATCH + "firm = true",
        ':6: policy.a.firm: does nothing without verdict = "ask"; remove the key',
    ),
    (RULE + "ceiling = { min = 2, max = 1 }", ":4: policy.1.ceiling.min: is above max; swap them"),
    (
        RULE + "ceiling = { maxi = 1 }",
        ':4: policy.1.ceiling.maxi: unknown key; did you mean "max"?',
    ),
    (
        RULE + 'tags = { none = ["outwards"] }',
        ':4: policy.1.tags.none: "outwards" is not one of its values; did you mean "outward"?',
    ),
    (
        RULE + 'when = { flavor = "t4-small" }',
        ':4: policy.1.when.flavor: needs a condition; write flavor = { eq = "..." }',
    ),
    (
        RULE + '[policy.when.flavor]\n\nregex = "t4.*"',
        ":6: policy.1.when.flavor.regex: is no condition; there are eq, in, prefix, glob, min, max,"
        " absent, host_in, argv_prefix",
    ),
    (
        RULE + 'when = { timeout_s = { max = "1:30" } }',
        ':4: policy.1.when.timeout_s.max: "1:30" is no duration; write one such as "1h" or'
        ' "45 min"',
    ),
    (
        RULE + "when = { n = { min = 2, max = 1 } }",
        ":4: policy.1.when.n: has a min above its max; swap them",
    ),
    (
        RULE + 'when = { n = { absent = true, eq = "a" } }',
        ":4: policy.1.when.n: is to be absent and more; keep one",
    ),
    (
        RULE + "when = { n = { absent = 1 } }",
        ":4: policy.1.when.n.absent: must be true or false, not a number; write it without quotes",
    ),
    (
        RULE + "when = { n = { in = [] } }",
        ":4: policy.1.when.n.in: is empty, so nothing matches; list what does",
    ),
    (
        RULE + 'when = { path = { prefix = "../a" } }',
        ":4: policy.1.when.path.prefix: climbs above where it begins; take the .. out",
    ),
    (
        RULE + 'when = { url = { host_in = ["https://a.example/"] } }',
        ':4: policy.1.when.url.host_in: "https://a.example/" is no host; write "example.org", or'
        ' "*.example.org" for all below',
    ),
    (
        RULE + 'when = { argv = { argv_prefix = "git" } }',
        ':4: policy.1.when.argv.argv_prefix: must be a list of words; write ["git", "status"]',
    ),
    (
        RULE + 'no_match = [{ }, { opp = "run" }]',
        ':4: policy.1.no_match.2.opp: unknown key; did you mean "op"?',
    ),
    # prices, tools, servers
    (
        '[[providers]]\nname = "a"\napi = "demo"\nprice = { input = 1.0 }',
        ":4: providers.a.price: has no output; add output, in dollars per million tokens",
    ),
    (
        '[[providers]]\nname = "a"\napi = "demo"\nprice = { input = -1, output = 1 }',
        ":4: providers.a.price.input: is too small: -1; write 0 or more",
    ),
    (
        '[[providers]]\nname = "a"\napi = "demo"\nprice = { input = 1, outptu = 1 }',
        ':4: providers.a.price.outptu: unknown key; did you mean "output"?',
    ),
    (
        '[tools]\nenabled = ["web_search"]',
        ':2: tools.enabled: "web_search" has nothing to work with; add [tools.web_search] with its'
        " base_url",
    ),
    (
        '[tools]\nenabled = ["files", "hf_jobs"]',
        ':2: tools.enabled: "hf_jobs" has nothing to work with; add [tools.huggingface] with a'
        " token",
    ),
    (
        "[tools.shell]\ndeadline_s = 601",
        ":2: tools.shell.deadline_s: is too large: 601; write 600 or less",
    ),
    (
        '[tools.shell]\nenvironment = ["A B"]',
        ':2: tools.shell.environment: "A B" cannot be a variable; use letters, digits and _, no'
        " digit first",
    ),
    (
        '[tools.send_message]\ndestinations = { team = "#general" }',
        ':2: tools.send_message.destinations.team: "#general" is a name, and names change hands;'
        ' write PLATFORM:ID, for example "telegram:-100200" or "slack:T1/C1"',
    ),
    ('[[mcp]]\nname = "a"', ":1: mcp.a: has neither command nor url; add one of the two"),
    (
        '[[mcp]]\nname = "a"\ncommand = ["x"]\nurl = "http://h"',
        ":4: mcp.a.url: stands beside command; keep one of the two",
    ),
    (
        '[[mcp]]\nname = "a"\ncommand = ["x"]\nheaders = { A = "b" }',
        ":4: mcp.a.headers: does nothing without url; remove the key",
    ),
    (
        '[[mcp]]\nname = "a"\ncommand = ["x"]\neffects = { t = "local" }',
        ':4: mcp.a.effects.t: "local" is not one of its values; write "pure" or "keyed" or "probe"'
        ' or "once"',
    ),
    (
        '[[mcp]]\nname = "a"\ncommand = ["x"]\ntags = { t = ["outward"] }',
        ':4: mcp.a.tags.t: "t" is not declared; say in effects what a crash means for it',
    ),
    (
        '[[mcp]]\nname = "a"\ncommand = ["x"]\n[[mcp]]\nname = "a"\ncommand = ["x"]',
        ':5: mcp.a.name: "a" is taken by an entry above; choose another',
    ),
)


@pytest.mark.parametrize(("text", "said"), TABLE, ids=[said[:60] for _, said in TABLE])
def test_says_what_is_wrong_where_and_what_to_do(text: str, said: str, tmp_path: Path) -> None:
    """Each fault names line, key, problem and fix."""
    assert "\n".join(faults_of(tmp_path, text)) == said


def test_rules_are_held_against_the_tools(tmp_path: Path) -> None:
    """Examples that go the wrong way and fields no tool has are faults of their own lines."""
    text = (
        '[[policy]]\nid = "notes"\ntool = "files"\nop = ["read"]\nverdict = "allow"\n'
        'when = { path = { prefix = "notes" } }\nmatch = [\n'
        '  { op = "read", args = { path = "notes/a" } },\n'
        '  { op = "read", args = { path = "notes2/a" } },\n]\n'
        '[[policy]]\ntool = "files"\nverdict = "ask"\n[policy.when]\npaht = { absent = true }\n'
    )
    path = written(tmp_path, text)
    tools: dict[str, Tool] = {"files": FilesTool(workspace=tmp_path / "work")}
    found = rule_faults(load(path, {}), tools)
    assert [str(fault).removeprefix(str(path)) for fault in found] == [
        ":9: policy.notes.match.2: does not match; change the example or the rule",
        ':15: policy.2.when.paht: is no argument of it; did you mean "path"?',
    ]
    assert rule_faults(load(path, {}), {}) == ()


def test_what_is_probably_not_meant(tmp_path: Path) -> None:
    """Tools that can do nothing yet, and a rule that never decides."""
    text = (
        '[tools]\nenabled = ["send_message", "hf_jobs"]\n[tools.huggingface]\ntoken = "t"\n'
        '[[policy]]\ntool = "shell"\nverdict = "deny"\n'
        '[[policy]]\nid = "quiet"\ntool = "shell"\nverdict = "ask"\n'
    )
    assert advice(load(written(tmp_path, text), {})) == (
        "send_message: it can write nowhere yet; add [destinations.NAME]",
        "payers: no account pays, so nothing that costs money can be run; set payers.default",
        "policy.quiet: it never decides; policy-1 is stricter and always matches with it",
    )
