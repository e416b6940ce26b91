"""Cards line by line, what is cut, and how they end."""

from dataclasses import replace
from datetime import datetime

import pytest

from agent.costs import Quote, Unknown, UnknownBecause, dollars
from gateway.card import INLINE, INLINE_SMALL, closing, face, lines, plain
from gateway.card_fence import document, full, shares
from gateway.card_view import (
    SHOWN_MAX,
    Answered,
    Approved,
    CardView,
    Closed,
    Denied,
    Ended,
    Flag,
    Outcome,
    arguments_of,
    snapshots_of,
    too_much,
)
from gateway.card_words import model_words, quote_text, span_text, time_text, unit_dollars, value
from gateway.shown import decoded
from platforms.blocks import Blocks, Code, CodeSpan, Text, plain_text, spans_text
from platforms.discord.format import fits as fits_discord
from tests.gateway.card_cases import (
    ARGUMENTS,
    BATCH,
    CARD,
    IN_DOUBT,
    JOB,
    LIMIT,
    NOW,
    QUESTION,
    QUOTE,
    SCRIPT,
    UNKNOWN,
    arguments,
    job,
)


def roomy(blocks: Blocks) -> bool:
    """Take whatever comes."""
    return bool(blocks)


def shown_lines(view: CardView, **how: int | str) -> list[str]:
    """Return the lines of a card in a chat without limits, runs of blanks as one."""
    made = face(view, inline=INLINE, fits=roomy, **how)  # type: ignore[arg-type]
    text = plain_text(made.body)
    return [" ".join(line.removeprefix("| ").split()) for line in text.split("\n") if line.strip()]


def fenced(blocks: Blocks) -> str:
    """Return what the fences of a body decode to, joined."""
    return "".join(decoded(block.text) for block in blocks if isinstance(block, Code))


def test_the_card_of_a_job() -> None:
    """Every line of the example stands where it belongs, as plain text."""
    sha = JOB.foreign[0].sha256[:8], JOB.foreign[1].sha256[:8]
    assert plain(CARD).split("\n") == [
        "Approval K7Q2F: hf_jobs run",
        "1 x A100 80 GB (a100-large), stopped after 45 min",
        "Payer      acme-research   (the model asked for acme-prod)",
        "At most    $2.09 = 50 min x $0.041667   (45 min + 5 to start, by started minute)"
        "   price live, 4 min old",
        "Budget     this chat today $1.20 of $10.00, at most $3.29 with this;"
        " Dana today $0.40 of $10.00",
        "Flags      paid, tainted (2 web pages read)",
        "Decides    chat approvers; asked by Dana; closes 14:32",
        f"Arguments  73 bytes, sha256 {sha[0]}...; script train.py, 4 lines, sha256 {sha[1]}...",
        f"| {ARGUMENTS}",
        "script train.py:",
        "| import torch⏎",
        "| ⏎",
        "| for epoch in range(3):⏎",
        "| ⇥train(epoch)⏎",
        'Model says (not checked): "Fine-tune on the new split as agreed."',
        "Approve: runs once, exactly as shown. Deny: the model is told."
        " Nobody by 14:32: the turn stops.",
        "Reply  /approve K7Q2F   or   /deny K7Q2F reason   or   /show K7Q2F",
    ]


def test_a_chat_shows_the_same_lines() -> None:
    """What stands in a chat is what the plain text says, but for the fence's bar."""
    in_plain = [" ".join(line.removeprefix("| ").split()) for line in plain(CARD).split("\n")]
    assert shown_lines(CARD) == in_plain[:-1]
    assert " ".join(shown_lines(CARD, sigil="/")) == " ".join(in_plain)


def test_without_buttons_lines_hang_below_their_label() -> None:
    """Where code has no look of its own, no word from elsewhere begins a line of the terminal."""
    made = face(job(summary="word " * 40), inline=INLINE, fits=roomy, sigil="/")
    text = plain_text(made.body).split("\n")
    assert max(map(len, text)) <= 80
    assert text[1].startswith("word word")
    assert text[2].startswith("           word word")
    assert "| " + ARGUMENTS in text


def test_a_line_without_content_is_left_out() -> None:
    """A free call by itself has few lines, and no label stands alone."""
    item = replace(JOB, payer="", quote="", ceiling=0, flags=(), snapshots=(), arguments=None)
    bare = CardView(code="K7Q2F", kind="call", items=(item,))
    assert shown_lines(bare) == [
        "Approval K7Q2F: hf_jobs run",
        "1 x A100 80 GB (a100-large), stopped after 45 min",
        "At most free",
        "Approve: runs once, exactly as shown. Deny: the model is told.",
    ]


def test_a_batch_has_a_line_for_each_call() -> None:
    """Calls of one step stand together, with their sum and what each runs."""
    found = shown_lines(BATCH)
    assert found[:4] == [
        "Approval K7Q2F: 3 calls, at most $2.33 together",
        "1 hf_jobs run t4-small $0.24 paid",
        "2 hf_jobs run a100-large $2.09 paid, tainted",
        "3 files delete data/old.csv free destructive",
    ]
    assert "Flags tainted (2 web pages read), destructive (cannot be restored)" in found
    assert found[-1].startswith("Approve all: each runs once, exactly as shown.")
    made = face(BATCH, inline=INLINE, fits=roomy)
    assert not made.cut
    assert fenced(made.body) == "".join(item.foreign[0].text for item in BATCH.items)


def test_a_batch_says_what_an_unknown_price_makes_of_its_sum() -> None:
    """A sum with an unknown part is no number."""
    items = (*BATCH.items, replace(JOB, ceiling=UNKNOWN))
    assert shown_lines(replace(BATCH, items=items))[0] == (
        "Approval K7Q2F: 4 calls, price unknown together"
    )


def test_one_call_of_a_batch_by_itself() -> None:
    """One by one shows a call as if it were alone, with its place in the batch."""
    found = shown_lines(BATCH, item=2)
    assert found[:2] == ["Approval K7Q2F: hf_jobs run", "2 of 3: a100-large"]
    assert fenced(face(BATCH, inline=INLINE, fits=roomy, item=2).body) == ARGUMENTS


def test_a_long_batch_is_paged_and_cut() -> None:
    """Five lines a page; nobody approves all of what one page does not show."""
    long = replace(BATCH, items=(BATCH.items[0],) * 12)
    first, last = (face(long, inline=INLINE, fits=roomy, page=page) for page in (0, 2))
    assert first.cut
    assert "Calls 1 to 5 of 12" in plain_text(first.body)
    assert "Calls 11 to 12 of 12" in plain_text(last.body)
    assert "Show all" in plain_text(first.body)
    assert plain(long).count("hf_jobs run") == 5


def test_a_decided_call_of_a_batch_says_so() -> None:
    """Each line carries its own end, and the others stay open."""
    done = replace(BATCH.items[0], outcome=Approved(by="Ann", at="13:41", running=True))
    mixed = replace(BATCH, items=(done, *BATCH.items[1:]))
    assert shown_lines(mixed)[1] == (
        "1 hf_jobs run t4-small $0.24 paid Approved by Ann 13:41, running"
    )
    assert mixed.is_open


def test_the_card_of_a_limit() -> None:
    """A used-up budget says how it stands, what is missing and that nothing is lost."""
    assert shown_lines(LIMIT) == [
        "Limit M3X9P: this chat today",
        "The chat's daily budget is used up ($9.80 of $10.00, $0.15 held)."
        " Owners can raise it below. Going on needs at most $0.40: $0.35 short.",
        "Decides owners; asked by Dana; closes 14:32",
        "The reply so far is kept and no model call is repeated."
        " Raise: the turn goes on. Stop: it ends here. Nobody by 14:32: the turn stops.",
    ]


def test_the_card_of_a_dearer_fallback() -> None:
    """It asks whether another model may answer, and for how much."""
    assert LIMIT.limit is not None
    limit = replace(LIMIT.limit, model="big-2", instead_of="big-1")
    assert shown_lines(replace(LIMIT, limit=limit))[1] == (
        "big-1 is unavailable. Answer with big-2 for at most $0.40?"
        " The chat's daily budget is used up ($9.80 of $10.00, $0.15 held)."
        " Owners can raise it below. Going on needs at most $0.40: $0.35 short."
    )


def test_the_card_of_a_question() -> None:
    """A question stands quoted with its answers, and plain text says how to answer."""
    assert plain(QUESTION).split("\n") == [
        "Question Q8W4R: ask_user",
        "Decides    Dana or an approver; closes 14:32",
        "| Which split should I use?",
        "| 1  train",
        "| 2  train and test",
        "An answer goes to the model as yours. Deny: it is told that nobody answers."
        " Nobody by 14:32: the turn stops.",
        "Reply  /answer Q8W4R your words   or   /deny Q8W4R reason",
    ]


def test_the_card_of_a_call_in_doubt() -> None:
    """What may have run says when it began, what is held and what each answer does."""
    assert shown_lines(IN_DOUBT) == [
        "In doubt D2H6T: hf_jobs run",
        "1 x A100 80 GB (a100-large), stopped after 45 min",
        "It began 13:41; its end is not known, and it was not run again.",
        "Payer acme-research",
        "Held $2.09 until it is known",
        "Decides chat approvers; asked by Dana; closes tomorrow 14:32",
        f"Arguments 73 bytes, sha256 {JOB.foreign[0].sha256[:8]}...",
        ARGUMENTS,
        "Mark done: the model is told that it took effect. Run again: a new approval."
        " Skip: it is not run again. Nobody by tomorrow 14:32: the turn stops.",
    ]


ENDS: list[tuple[Outcome, str]] = [
    (Approved(by="Ann", at="13:41"), "Approved by Ann 13:41"),
    (Approved(by="Ann", at="13:41", running=True), "Approved by Ann 13:41, running"),
    (
        Ended(how="done", ran_s=725, spent=504_168, held=2_083_350),
        "Done: ran 12 min, $0.51 (held $2.09, released $1.58)",
    ),
    (Ended(how="done", ran_s=3, spent=0, held=0), "Done: ran 3 s, free"),
    (
        Ended(how="done", ran_s=3, spent=0, held=90_000),
        "Done: ran 3 s, free (held $0.0900, released $0.0900)",
    ),
    (Ended(how="done", spent=None, held=90_000), "Done: cost not known yet (held $0.0900)"),
    (
        Ended(how="done", ran_s=60, spent=2_500_000, held=2_083_350),
        "Done: ran 1 min, $2.50 (held $2.09, $0.41 over)",
    ),
    (Ended(how="done"), "Done"),
    (
        Ended(how="failed", because="out of memory", spent=40_000, held=2_083_350),
        "Failed: out of memory; $0.0400 (held $2.09, released $2.05)",
    ),
    (Ended(how="cancelled", by="Ann", at="13:50"), "Cancelled by Ann 13:50"),
    (
        Ended(how="unknown", held=2_083_350, because="the gateway stopped while it ran"),
        "May have run: the gateway stopped while it ran; $2.09 stays held",
    ),
    (Ended(how="lapsed", by="Ann", at="10:02"), "Approved by Ann 10:02, could not start in time"),
    (Denied(by="Ann", at="13:41"), "Denied by Ann 13:41"),
    (
        Denied(by="Ann", at="13:41", reason="too dear", stopped=True),
        "Denied by Ann 13:41: too dear; the turn was stopped",
    ),
    (
        Answered(by="Ann", at="13:41", words="use the old split"),
        "Answered by Ann 13:41: use the old split",
    ),
    (Closed(how="expired", at="14:32"), "Expired 14:32: nobody decided, the turn stopped"),
    (Closed(how="replaced", by="Dana"), "Replaced, Dana wrote on"),
    (Closed(how="withdrawn", by="Dana", because="/stop"), "Withdrawn by Dana: /stop"),
    (Closed(how="undeliverable", because="it is gone"), "Nobody could be asked: it is gone"),
]


@pytest.mark.parametrize(("outcome", "words"), ENDS, ids=[words for _, words in ENDS])
def test_how_a_card_ends(outcome: Outcome, words: str) -> None:
    """The last line says what became of it, the sums add up, and nothing is asked any more."""
    ended = job(outcome=outcome)
    assert spans_text(closing(ended)) == words
    found = shown_lines(ended, sigil="/")
    assert found[-1] == words
    assert found[0] == "Approval K7Q2F: hf_jobs run"
    assert not [
        line for line in found if line.startswith(("Decides", "Budget", "Reply", "Approve:"))
    ]
    assert ARGUMENTS in found


def test_a_card_that_nobody_can_approve_says_so() -> None:
    """Without a price an owner types one, without a bound there is nothing to approve."""
    typed = shown_lines(replace(CARD, ceiling_wanted=True))
    assert any("an owner types what it may cost" in line for line in typed)
    unbounded = replace(CARD, approvable=False)
    assert any("edit it or deny it" in line for line in shown_lines(unbounded))
    assert "/approve" not in plain(unbounded)


def test_an_edit_and_an_earlier_request_stand_on_the_card() -> None:
    """A changed script shows who changed it and how; a repeated request tells of the first."""
    edited = job(edited_by="Ann", difference="-a\n+b", earlier="approved by Ann 10:02, lapsed")
    found = shown_lines(edited)
    assert "Edited by Ann" in found
    assert "Earlier approved by Ann 10:02, lapsed" in found
    assert found[found.index("What was changed:") + 1 :][:2] == ["-a⏎", "+b"]


def test_votes_and_a_grant_are_shown_whole() -> None:
    """Who said yes so far, and what approving for this chat would allow, line by line."""
    view = replace(
        CARD,
        votes="Ann said yes 13:40; one more person is needed",
        proposal=("hf_jobs run, flavor = t4-small", "at most $0.50 a call, 20 calls"),
    )
    found = shown_lines(view)
    assert "Votes Ann said yes 13:40; one more person is needed" in found
    assert "For this chat hf_jobs run, flavor = t4-small" in found
    assert "For this chat at most $0.50 a call, 20 calls" in found


@pytest.mark.parametrize(
    ("length", "cut"),
    [(1, False), (INLINE - 9, False), (INLINE - 8, True), (INLINE, True), (30_000, True)],
)
def test_what_is_too_long_is_cut_in_the_middle(length: int, cut: bool) -> None:
    """Beginning and end stand in fences of their own, what is missing in numbers between them."""
    text = '{"text":"' + "x" * (length - 2) + '"}' if length > 2 else "{}"
    view = arguments(text if length > 2 else "{}")
    made = face(view, inline=INLINE, fits=roomy)
    assert made.cut is cut
    joined = fenced(made.body)
    assert (joined == view.items[0].foreign[0].text) is not cut
    if cut:
        head, tail = (decoded(block.text) for block in made.body if isinstance(block, Code))
        missing = len(text) - len(head) - len(tail)
        assert text.startswith(head)
        assert text.endswith(tail)
        assert len(head) + len(tail) <= INLINE
        assert f"... {missing:,} of {len(text):,} characters are not shown here ..." in plain_text(
            made.body
        )
        assert "Show all" in plain_text(made.body)


def test_escapes_count_where_the_length_is_measured() -> None:
    """A short text of characters that nobody sees is long as it is shown."""
    view = arguments('{"a":"' + "\u202e" * 400 + '"}')
    assert face(view, inline=INLINE, fits=roomy).cut
    assert not face(arguments('{"a":"' + "x" * 400 + '"}'), inline=INLINE, fits=roomy).cut


def test_short_texts_get_all_they_need() -> None:
    """Room is shared so that a long script takes nothing from short arguments."""
    assert shares((100, 5_000), 2_400) == (100, 2_300)
    assert shares((5_000, 100, 5_000), 2_400) == (1_150, 100, 1_150)
    assert shares((), 2_400) == ()


def test_a_card_is_made_to_fit_its_message() -> None:
    """The longest card still fits the shortest message, and says that it is cut."""
    flags = tuple(Flag(name=f"flag {n}", detail="y" * 150) for n in range(12))
    view = replace(
        job(flags=flags, arguments=arguments_of('{"a":"' + "*_`<@1>" * 2_000 + '"}'),
            summary="long " * 80, payer="p" * 96, asked_payer="q" * 96),
        model_words="words " * 80,
    )  # fmt: skip
    made = face(view, inline=INLINE_SMALL, fits=fits_discord)
    assert fits_discord(made.body)
    assert made.cut
    text = plain_text(made.body)
    for line in ("Payer", "At most", "Budget", "Decides", "Arguments", "flag 0", "and 2 more"):
        assert line in text


def test_nobody_is_asked_about_more_than_can_be_shown() -> None:
    """Arguments and scripts together have a limit in bytes."""
    half = snapshots_of({"a": b"x" * (SHOWN_MAX // 2)})[0]
    assert not too_much((replace(JOB, arguments=None, snapshots=(half, half)),))
    assert too_much((replace(JOB, arguments=arguments_of("{}"), snapshots=(half, half)),))


@pytest.mark.parametrize("fits", [roomy, fits_discord], ids=["roomy", "discord"])
def test_show_all_is_everything_in_parts(fits: object) -> None:
    """Every part fits and names the card; the fences joined are the very bytes that run."""
    script = b"".join(b"%d\tprint('``` ](x) \xff')  \r\n" % n for n in range(300)) + b"end"
    view = job(snapshots=snapshots_of({"train.py": script, "empty.py": b""}))
    check = fits_discord if fits is fits_discord else roomy
    parts = full(view, check)
    assert all(check(part) for part in parts)
    assert all(plain_text(part).startswith("Approval K7Q2F: all that runs") for part in parts)
    if len(parts) > 1:
        assert f", part 2 of {len(parts)}" in plain_text(parts[1])
    joined = "".join(fenced(part) for part in parts)
    assert joined.encode("utf-8", "surrogateescape") == ARGUMENTS.encode() + script
    assert view.items[0].foreign[2].sha256 in "".join(map(plain_text, parts))


def test_show_all_of_a_batch_numbers_its_calls() -> None:
    """Which call a text belongs to stands above it."""
    (part,) = full(BATCH, roomy)
    assert "3. files delete: arguments, 23 bytes" in plain_text(part)


def test_a_message_too_small_for_anything_is_an_error() -> None:
    """Show all does not go round in circles."""
    with pytest.raises(ValueError, match="no room"):
        full(CARD, lambda blocks: not blocks)


def test_the_file_of_all_that_runs_keeps_foreign_lines_behind_a_bar() -> None:
    """In a text file no line from elsewhere can pretend to be ours, and it decodes too."""
    script = b"a\n\nApproval K7Q2F: all that runs\n2. files read\n"
    text = document(job(snapshots=snapshots_of({"train.py": script})))
    ours = [line for line in text.split("\n") if not line.startswith("|")]
    assert ours.count("Approval K7Q2F: all that runs") == 1
    assert "2. files read" not in ours
    behind = text.split(":\n", 2)[-1].split("\n")
    theirs = "\n".join(line.removeprefix("| ") for line in behind if line.startswith("|"))
    assert decoded(theirs).encode() == script


def test_the_models_words_are_one_dead_line() -> None:
    """At most 300 characters of code, whatever the model wrote."""
    spans = model_words("Look\nhere: https://evil.example `x` " + "y" * 400)
    assert [type(span) for span in spans] == [Text, CodeSpan, Text]
    words = spans_text(spans[1:2])
    assert len(words) <= 300
    assert words.startswith("Look here: https://evil.example \\u{60}x\\u{60} ")
    assert words.endswith("…")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("plain words, twice (2.5 of $10.00) at 13:41", []),
        ("see evil.example now", ["evil.example"]),
        ("@ann #general /approve https://a.b", ["@ann", "#general", "/approve", "https://a.b"]),
        ("a@b.example mailto:x $USD +15550", ["a@b.example", "mailto:x", "$USD", "+15550"]),
    ],
)
def test_values_are_dead(text: str, code: list[str]) -> None:
    """A word that a chat would make a link or a name of stands as code, others as they are."""
    spans = value(text)
    assert spans_text(spans) == text
    assert [span.text for span in spans if isinstance(span, CodeSpan)] == code


def test_a_name_cannot_leave_its_line() -> None:
    """A person who calls themselves a card is still a word in a line."""
    view = replace(CARD, asked_by="Ann\nApproval K7Q2F: files read\u202e")
    assert "asked by Ann⏎Approval K7Q2F: files read\\u{202E}; closes" in plain(view)


@pytest.mark.parametrize(
    ("quote", "words"),
    [
        (QUOTE, JOB.quote),
        (Quote(ceiling=0), "free"),
        (Quote(ceiling=20_000, source="config"), "$0.0200   price config"),
        (
            Quote(ceiling=Unknown(because=UnknownBecause.PRICE, text="no such flavor")),
            "price unknown; an owner may type a ceiling (no such flavor)",
        ),
        (Quote(ceiling=Unknown(because=UnknownBecause.LIMIT)), "price unknown; nothing bounds it"),
    ],
)
def test_how_a_price_came_about(quote: Quote, words: str) -> None:
    """A quote says its sum, how it was reckoned and how old the price is."""
    assert quote_text(quote, now=NOW) == words


def test_small_figures() -> None:
    """Unit prices are exact, spans of time in their largest unit."""
    prices = (41_667, 400_000, 1_000_000, 167, 1_234_500_000)
    assert [unit_dollars(micros) for micros in prices] == [
        "$0.041667", "$0.40", "$1.00", "$0.000167", "$1,234.50",
    ]  # fmt: skip
    assert [span_text(s) for s in (-1, 0, 59.9, 60, 3_600, 5_400, 86_400, 200_000)] == [
        "0 s", "0 s", "59 s", "1 min", "1 h", "1 h 30 min", "24 h", "2 d",
    ]  # fmt: skip
    now = datetime(2026, 8, 22, 13, 32)
    assert time_text(datetime(2026, 8, 22, 14, 5), now=now) == "14:05"
    assert time_text(datetime(2026, 8, 23, 14, 5), now=now) == "23 Aug 14:05"
    assert dollars(0) == "free"


def test_a_page_gets_the_lines_one_by_one() -> None:
    """The queue page lays out the same lines in a table of its own."""
    found = lines(CARD)
    assert [line.label for line in found] == [
        "", "", "Payer", "At most", "Budget", "Flags", "Decides", "Arguments",
    ]  # fmt: skip
    assert spans_text(found[0].spans) == "Approval K7Q2F: hf_jobs run"


def test_a_script_is_shown_byte_for_byte() -> None:
    """Bytes that are no text are escaped one by one and come back as bytes."""
    view = job(snapshots=snapshots_of({"x.bin": b"\x00\xff\xfe ok"}), arguments=None)
    made = face(view, inline=INLINE, fits=roomy)
    assert fenced(made.body).encode("utf-8", "surrogateescape") == b"\x00\xff\xfe ok"
    assert SCRIPT.decode() in fenced(face(CARD, inline=INLINE, fits=roomy).body)
