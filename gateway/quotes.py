"""Quotes as rows keep them."""

from typing import Any

from agent.costs import Ceiling, Quote, Unknown, UnknownBecause


def quote_row(quote: Quote) -> dict[str, Any]:
    """Write a quote; an unknown ceiling is null and carries why."""
    return {
        "ceiling": quote.ceiling if isinstance(quote.ceiling, int) else None,
        "unknown": unknown_row(quote.ceiling),
        "unit": quote.unit,
        "unit_price": quote.unit_price,
        "quantity": quote.quantity,
        "source": quote.source,
        "as_of": quote.as_of,
        "payer": quote.payer,
        "asked_payer": quote.asked_payer,
        "note": quote.note,
    }


def quote_from(row: dict[str, Any]) -> Quote:
    """Read what `quote_row` wrote."""
    fields = dict(row)
    unknown, known = fields.pop("unknown", None), fields.pop("ceiling", None)
    return Quote(ceiling=ceiling_from(known, unknown), **fields)


def ceiling_from(known: int | None, unknown: str | None) -> Ceiling:
    """A ceiling of a row; one that is neither known nor explained is unknown all the same."""
    if known is not None:
        return known
    because, _, text = (unknown or "price").partition(": ")
    return Unknown(because=UnknownBecause(because), text=text)


def unknown_row(ceiling: Ceiling) -> str | None:
    """Why a ceiling is unknown, None for one that is known."""
    if isinstance(ceiling, int):
        return None
    return f"{ceiling.because.value}: {ceiling.text}"
