"""Cards as the design page draws them, for every test that lays one out."""

from dataclasses import replace
from typing import Any

from agent.costs import Quote, Unknown, UnknownBecause
from gateway.card_view import (
    CardView,
    Flag,
    Item,
    LimitReached,
    arguments_of,
    snapshots_of,
)
from gateway.card_words import quote_text

NOW = 1_800_000_000_000_000
SCRIPT = b"import torch\n\nfor epoch in range(3):\n\ttrain(epoch)\n"
QUOTE = Quote(
    ceiling=2_083_350,
    unit="min",
    unit_price=41_667,
    quantity=50,
    source="live",
    as_of=NOW - 250_000_000,
    note="45 min + 5 to start, by started minute",
)
ARGUMENTS = '{"flavor":"a100-large","op":"run","script":"<train.py>","timeout_s":2700}'
JOB = Item(
    tool="hf_jobs",
    operation="run",
    summary="1 x A100 80 GB (a100-large), stopped after 45 min",
    ceiling=QUOTE.ceiling,
    quote=quote_text(QUOTE, now=NOW),
    payer="acme-research",
    asked_payer="acme-prod",
    flags=(Flag(name="paid"), Flag(name="tainted", detail="2 web pages read")),
    arguments=arguments_of(ARGUMENTS),
    snapshots=snapshots_of({"train.py": SCRIPT}),
)
CARD = CardView(
    code="K7Q2F",
    kind="call",
    items=(JOB,),
    budget=(
        "this chat today $1.20 of $10.00, at most $3.29 with this",
        "Dana today $0.40 of $10.00",
    ),
    decides="chat approvers",
    asked_by="Dana",
    closes="14:32",
    model_words="Fine-tune on the new split as agreed.",
)
BATCH = replace(
    CARD,
    items=(
        Item(tool="hf_jobs", operation="run", summary="t4-small", ceiling=240_000,
             flags=(Flag(name="paid"),), arguments=arguments_of('{"flavor":"t4-small"}')),
        replace(JOB, summary="a100-large", snapshots=()),
        Item(tool="files", operation="delete", summary="data/old.csv", ceiling=0,
             flags=(Flag(name="destructive", detail="cannot be restored"),),
             arguments=arguments_of('{"path":"data/old.csv"}')),
    ),
)  # fmt: skip
LIMIT = CardView(
    code="M3X9P",
    kind="limit",
    items=(Item(tool="model"),),
    limit=LimitReached(
        scope="this chat today",
        budget="chat's daily",
        limit=10_000_000,
        spent=9_800_000,
        held=150_000,
        needed=400_000,
        short_by=350_000,
    ),
    decides="owners",
    asked_by="Dana",
    closes="14:32",
)
QUESTION = CardView(
    code="Q8W4R",
    kind="question",
    items=(Item(tool="ask_user"),),
    question="Which split should I use?",
    answers=("train", "train and test"),
    decides="Dana or an approver",
    closes="14:32",
)
IN_DOUBT = CardView(
    code="D2H6T",
    kind="in_doubt",
    items=(replace(JOB, asked_payer="", flags=(), snapshots=()),),
    decides="chat approvers",
    asked_by="Dana",
    closes="tomorrow 14:32",
    began="13:41",
)
UNKNOWN = Unknown(because=UnknownBecause.PRICE)


def job(**changes: Any) -> CardView:
    """Return the card of one job that differs from the usual one."""
    return replace(CARD, items=(replace(JOB, **changes),))


def arguments(text: str) -> CardView:
    """Return the card of one job with these arguments and nothing else that runs."""
    return job(arguments=arguments_of(text), snapshots=())
