"""The invariants of approvals, one test each (and more where one can be broken in several ways)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import orjson
import pytest

from agent.costs import DOLLAR, Unknown, UnknownBecause, dollars, total
from agent.messages import AssistantMessage, ToolResult
from agent.policy import Policy
from agent.rules import Layer, Rule
from agent.tools.base import Verdict
from gateway import tokens
from gateway.config.ids import Word
from gateway.shown import decoded
from gateway.tokens import Decision
from platforms.errors import PlatformUnavailable
from tests.gateway.approvals.house import BOT, CAL, DAN, KEY, House, made_calls
from tests.gateway.core import says
from tests.gateway.events import ANN, BEN, DM
from tests.transitions import KEPT


def rules(*made: Rule) -> Policy:
    """A policy of these rules."""
    return Policy(rules=made, version="of-a-test")


async def test_i01_nothing_gated_runs_without_its_yes(house: House) -> None:
    """What ran has an approved row with its very fingerprint; what has none did not run."""
    await house.asks('paid {"text":"a"}', "free", "tells", "foreign")
    await house.press("One by one")
    await house.press("Approve once")
    ran = {name: tool.ran for name, tool in house.tools.items() if tool.ran}
    assert set(ran) == {"paid"}
    rows = await house.rows(
        "SELECT tool_call.id, tool_call.fingerprint, request.fingerprint, request.arguments"
        " FROM tool_call JOIN request ON request.call_id = tool_call.id"
        " WHERE request.state = 'approved'"
    )
    ((ident, stored, approved, arguments),) = rows
    assert stored == approved
    assert ran["paid"][0].call_id == ident
    assert ran["paid"][0].arguments == arguments


async def test_i01_other_contents_than_the_approved_do_not_run(house: House) -> None:
    """A row whose arguments were changed behind the desk's back is refused at the last look."""
    house.model_calls("allowed", "free")
    house.tools["allowed"].waits = asyncio.Event()
    await house.take(house.words("do it"))
    await house.until(lambda: bool(house.shown()))
    await house.take(house.event_of(house.card().button("Approve"), house.card(), BEN))
    await house.now.router.settled()
    changed = "UPDATE tool_call SET canonical = ? WHERE tool = 'free'"
    await house.store.write(lambda tx: tx.run(changed, '{"minutes":9}'), transition=KEPT)
    house.tools["allowed"].waits.set()
    await house.rest()
    assert house.tools["free"].ran == []
    assert "not what was decided" in house.results()[-1].text


@pytest.mark.parametrize("pressed", ["before", "after"])
async def test_i01_what_is_decided_holds_for_one_place(house: House, pressed: str) -> None:
    """A tool that another configuration sends elsewhere does not run on an old button or word."""
    tool = house.tools["free"]
    tool.place = "https://a.example"
    slow = house.tools["allowed"]
    slow.waits = asyncio.Event()
    await house.restart()
    house.model_calls("allowed", "free")
    await house.take(house.words("go"))
    await house.until(lambda: bool(house.shown()))
    card = house.card()
    if pressed == "before":
        await house.take(house.event_of(card.button("Approve once"), card, BEN))
        await house.now.router.settled()
        assert await house.states() == ["approved"]
    await house.shut()
    slow.waits, tool.place = None, "https://b.example"
    await house.open()
    await house.rest()
    if pressed == "after":
        await house.press("Approve once", card=card)
    assert tool.ran == []
    assert "approved" not in await house.states() or (await house.calls())[-1] == "refused"


async def test_i02_one_approval_is_one_run(house: House) -> None:
    """The same press again, by its button, by code, by another person, after a restart."""
    card = await house.asks("paid")
    button = card.button("Approve once")
    await house.press("Approve once")
    for author in (BEN, CAL, ANN):
        await house.take(house.event_of(button, card, author))
    await house.restart()
    ((stored, _),) = await house.cards()
    for author in (BEN, CAL):
        await house.take(house.event_of(button, card, author))
        await house.command("approve", stored.code, author=author)
    assert len(house.tools["paid"].ran) == 1
    assert len(await house.rows("SELECT id FROM reservation")) == 1


async def test_i03_a_press_changes_only_what_it_names(house: House) -> None:
    """Of two cards and three items, one row changes."""
    await house.asks('paid {"text":"a"}', 'asks {"question":"Which?"}')
    house.model_forgets()
    house.model_calls("paid")
    await house.says("mine", author=DAN)
    before = {r.id: r for r in await house.requests()}
    card = house.card("asked by Dan")
    await house.press("Deny", author=BEN, card=card)
    after = {r.id: r for r in await house.requests()}
    changed = [ident for ident in before if before[ident] != after[ident]]
    assert len(changed) == 1
    assert after[changed[0]].state == "denied"
    assert [r.state for r in after.values()].count("pending") == 2


@pytest.mark.parametrize("source", ["yes", "ok approve", "/approve", "approve it", "👍"])
async def test_i04_words_are_no_yes(house: House, source: str) -> None:
    """Free text, a bare command, silence: nothing is approved."""
    await house.asks("paid")
    await house.take(house.words(source, author=CAL, chat=DM))
    await house.rest()
    await house.ticks(3_599)
    assert await house.states() == ["pending"]
    await house.ticks(2)
    assert await house.states() == ["expired"]
    assert house.tools["paid"].ran == []
    assert (await house.turns())[0] == "halted"


async def test_i05_settled_and_held_stay_within_the_limit(house: House) -> None:
    """Approvals in two chats of one person together, and an overrun that is flagged."""
    house.config = replace(house.config, budget=replace(house.config.budget, user_day=DOLLAR))
    house.tools["paid"].spent = 400_000
    await house.restart()
    for chat in (DM, house.words("x").chat):
        house.model_forgets()
        house.model_calls("paid", "paid")
        await house.says("go", chat=chat)
    for card in house.shown():
        await house.press("Approve all", author=CAL, card=card)
    settled, held = await house.balance("user_day:telegram:1001")
    assert settled + held <= DOLLAR
    assert (await house.states()).count("approved") == 2
    house.model_forgets()
    house.tools["cheap"].spent = 900_000
    house.model_calls("cheap")
    await house.says("more", author=DAN, chat=house.words("x").chat)
    await house.press("Approve once", author=CAL)
    flagged = await house.rows("SELECT flags FROM reservation WHERE actual > amount")
    assert flagged == [("overrun",)]
    house.model_forgets()
    house.model_calls("cheap")
    await house.says("again", author=DAN, chat=house.words("x").chat)
    assert "price unknown" in house.card().text


async def test_i06_unknown_is_no_number_anywhere(house: House) -> None:
    """It never sums, prints as zero, fits a rule's ceiling, a grant, or auto mode."""
    unknown = Unknown(because=UnknownBecause.PRICE, text="nobody knows")
    assert isinstance(total((0, unknown, 5)), Unknown)
    assert dollars(unknown) == "price unknown"
    house.model_says("Hello.")
    await house.says("hello", chat=DM)
    await house.command("auto", "$5 2h", chat=DM)
    house.tools["paid"].price = unknown
    card_texts = []
    house.model_calls("paid", "budgeted")
    await house.says("go", chat=DM)
    card_texts.append(house.card("paid").text)
    assert "price unknown" in card_texts[0]
    assert house.tools["paid"].ran == []
    assert "free" not in card_texts[0]


async def test_i07_nothing_beats_a_deny(house: House) -> None:
    """A tool's own no, a rule's, one loaded after the yes; an allow rule beside it is nothing."""
    deny = Rule(id="no-free", tool="free", verdict=Verdict.DENY)
    allow = Rule(id="yes-free", tool="free", verdict=Verdict.ALLOW)
    house.model_calls("never", "free")
    house.config = replace(house.config, policy=rules(deny, allow))
    await house.restart()
    await house.says("do it")
    assert not house.shown()
    assert [r.text.partition(":")[0] for r in house.results()] == ["Not allowed", "Not allowed"]


async def test_i07_a_lower_layer_only_tightens(house: House) -> None:
    """A chat's own allow changes nothing; its ask does."""
    loosens = Rule(id="chat-allows", tool="free", verdict=Verdict.ALLOW, layer=Layer.CHAT)
    tightens = Rule(id="chat-asks", tool="allowed", verdict=Verdict.ASK, layer=Layer.CHAT)
    house.config = replace(house.config, policy=rules(loosens, tightens))
    await house.restart()
    await house.asks("free", "allowed")
    assert "2 calls" in house.card().text


@pytest.mark.parametrize("tool", ["destroys", "repeats", "tells", "foreign"])
async def test_i08_no_leave_covers_what_reaches_further(house: House, tool: str) -> None:
    """No grant is offered or given for it, and auto mode asks."""
    house.model_says("Hello.")
    await house.says("hello", chat=DM)
    await house.command("auto", "$5 2h", chat=DM)
    house.model_calls(tool)
    await house.says("go", chat=DM)
    card = house.card()
    assert not [label for label in card.buttons if "for this chat" in label]
    ((stored, _),) = await house.cards()
    forged = tokens.seal(
        tokens.Token(id=stored.id, rev=1, decision=Decision.GRANT_CONFIRM),
        key=KEY,
        account=stored.account,
        chat=stored.chat,
    )
    button = replace(card.button("Deny"), payload=forged)
    await house.take(house.event_of(button, card, CAL))
    await house.rest()
    assert await house.rows("SELECT kind FROM allowance") == [("auto",)]
    assert await house.states() == ["pending"]
    assert house.tools[tool].ran == []


async def test_i08_a_once_call_in_a_tainted_turn_is_always_asked(house: House) -> None:
    """Auto mode lets it through before the turn has read a page, and never after."""
    house.tools["once"].price = 0
    house.model_says("Hello.")
    await house.says("hello", chat=DM)
    await house.command("auto", "$5 2h", chat=DM)
    house.model_says(
        says("One.", calls=made_calls("once")),
        says("Two.", calls=made_calls("reads", "reads")),
        says("Three.", calls=made_calls("once")),
    )
    await house.says("go", chat=DM)
    assert await house.calls() == ["done", "done", "done", "asked"]
    assert "tainted (2 web pages read)" in house.card().text


async def test_i09_only_an_entitled_human_decides(house: House) -> None:
    """Not the requester of an approver's call, a bystander, a bot, a person named alike."""
    card = await house.asks("tells")
    namesake = replace(DAN, id="1099", name="Ben")
    for author in (ANN, DAN, namesake):
        await house.take(house.event_of(card.button("Approve once"), card, author))
    await house.take(house.event_of(card.button("Approve once"), card, BOT))
    await house.rest()
    assert await house.states() == ["pending"]
    assert await house.press("Deny", author=ANN) == "Denied."


async def test_i09_a_guest_who_may_not_write_may_not_press(house: House) -> None:
    """The gate of ordinary messages holds for presses too."""
    card = await house.asks("paid")
    guest = replace(BEN, id="1050", guest=True)
    await house.take(house.event_of(card.button("Approve once"), card, guest))
    await house.rest()
    assert await house.states() == ["pending"]


async def test_i10_the_card_decodes_to_what_runs(house: House) -> None:
    """The fence of the card is the canonical text, letter by letter, hidden signs written out."""
    odd = orjson.dumps({"text": "a\u202eb\\u\u200bc``` <b>"}).decode()
    card = await house.asks(f"free {odd}")
    await house.press("Approve once")
    (ran,) = house.tools["free"].ran
    fence = next(line for line in card.text.split("\n") if line.startswith("{"))
    assert decoded(fence) == ran.arguments


async def test_i11_a_waiting_request_owns_nothing(house: House) -> None:
    """No task of its session, no money, no actor: rows, and nothing else."""
    before = asyncio.all_tasks()
    await house.asks("paid", "dear", "free")
    async with asyncio.timeout(60):
        while len(asyncio.all_tasks()) > len(before):
            new = asyncio.all_tasks() - before
            await asyncio.wait(new, return_when=asyncio.FIRST_COMPLETED)
    assert not house.now.sessions.running()
    assert await house.held() == 0
    assert await house.turns() == ["waiting"]


async def test_i12_every_request_ends_and_its_card_says_so(house: House) -> None:
    """However it ends: nothing can be pressed any more, and the last edit tells how."""
    ends: dict[str, Callable[[], Awaitable[object]]] = {
        "Denied by Ben": lambda: house.press("Deny"),
        "Withdrawn by Ann": lambda: house.command("stop"),
        "Replaced, Ann wrote on": lambda: house.says("no, this"),
        "Expired": lambda: house.ticks(3_601),
        "Answered by Ben": lambda: house.command(
            "answer", f"{house.card().text.split()[1][:5]} so", author=BEN
        ),
    }
    for said, end in ends.items():
        card = await house.asks("tells", then="fine")
        house.model_says("fine")
        await end()
        assert said in house.text_of(card)
        assert not house.shown()
        house.model_forgets()
    assert "pending" not in await house.states()


async def test_i13_history_stays_valid_after_every_outcome(house: House) -> None:
    """Every call of every reply has exactly one result, behind it, whatever became of it."""
    house.tools["paid"].fails = [RuntimeError("broke")]
    house.model_calls("paid", "free", "never", 'asks {"question":"?"}', "nothing", "free {")
    await house.says("do it")
    await house.press("One by one", card=house.card("calls"))
    await house.press("Approve once", card=house.card("paid"))
    house.model_says("And?")
    await house.says("leave it")
    house.model_says("Well.")
    await house.says("more")
    for request in house.model.requests:
        open_calls: list[str] = []
        for message in request.messages:
            match message:
                case AssistantMessage():
                    assert not open_calls
                    open_calls = [each.id for each in message.calls]
                case ToolResult(call_id=ident):
                    open_calls.remove(ident)
                case _:
                    assert not open_calls
        assert not open_calls


async def test_i14_a_lost_source_only_makes_it_stricter(house: House) -> None:
    """No roles: nobody is let in. No price: unknown. A tool that can't look: it asks."""
    house.configure(approvers=(Word.ADMINS,))
    await house.restart()
    house.adapter.holders["1002"] = frozenset({"admin"})
    house.adapter.roles_down = PlatformUnavailable("down")
    await house.asks("tells")
    told = await house.press("Approve once", author=BEN)
    assert told == "Nobody could look up what you may decide here; try again."
    assert await house.states() == ["pending"]
    house.adapter.roles_down = None
    assert await house.press("Approve once", author=BEN) == "Approved."
    house.tools["allowed"].blind = True
    house.model_calls("allowed")
    await house.says("go")
    assert "allowed" in house.card("allowed").text
    house.model_forgets()
    house.model_calls("paid")
    await house.says("go", author=CAL)
    house.tools["paid"].price = Unknown(because=UnknownBecause.PRICE, text="list is gone")
    told = await house.press("Approve once", author=CAL, card=house.card("paid"))
    assert told == "The price changed; the card shows it now. Look again and decide."
    assert "price unknown" in house.card("paid").text


async def test_i15_money_is_held_before_anything_can_cost(house: House) -> None:
    """While a call runs its ceiling is held; the row was there before the first byte."""
    house.tools["paid"].waits = asyncio.Event()
    card = await house.asks("paid")
    await house.take(house.event_of(card.button("Approve once"), card, BEN))
    await asyncio.wait_for(house.tools["paid"].began.wait(), 60)
    assert await house.held() == 500_000
    rows = await house.rows("SELECT kind, amount FROM ledger ORDER BY seq")
    assert rows == [("hold", 500_000)]
    house.tools["paid"].waits.set()
    await house.rest()
    rows = await house.rows("SELECT kind, amount FROM ledger ORDER BY seq")
    assert rows == [("hold", 500_000), ("settle", 100_000), ("release", 400_000)]


async def test_i16_the_audit_holds_every_rows_cause(house: House) -> None:
    """Verdict, card, revision, press, refusal, money, leave, freeze: each decision has its row."""
    card = await house.asks("paid")
    await house.press("Approve once", author=DAN)
    await house.press("Edit", author=ANN)
    await house.fill(author=ANN, card=card, minutes="2")
    await house.press("Show all", author=BEN)
    await house.press("Approve once", author=BEN)
    await house.asks("free")
    await house.ticks(3_601)
    await house.command("freeze", author=BEN)
    await house.command("unfreeze", author=CAL)
    kinds = [each.link.kind for each in await house.audited()]
    assert {
        "verdict",
        "card",
        "press",
        "refused press",
        "shown",
        "hold",
        "settle",
        "freeze",
        "unfreeze",
    } <= set(kinds)
    for card_row, items in await house.cards():
        about = [e for e in await house.audited() if e.link.subject == card_row.id]
        details = [orjson.loads(e.link.detail) for e in about]
        assert card_row.rev in [d.get("rev") for d in details]
        for item in items:
            decided = {"approved": "approved", "expired": "expired"}[item.state]
            mine = [d for d in details if d.get("call") == item.call_id]
            assert decided in [d.get("decision") for d in mine]
            assert item.fingerprint in [d.get("fingerprint") for d in mine]
    for seq, ident in await house.rows("SELECT seq, reservation_id FROM ledger"):
        assert ident in [e.link.subject for e in await house.audited()], seq
    await house.audit_holds()
