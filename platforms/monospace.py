"""Pure: a table as aligned monospace, where a platform has no tables of its own."""

from platforms.blocks import Alignment, Emph, Link, Span, Strike, Strong, Table, spans_text
from platforms.measure import display_width

_GAP = "  "


def aligned(table: Table, *, width: int, rule: str = "─") -> str | None:
    """The table as lines of equal columns under a line of `rule`.

    None if it is wider than `width` columns or a cell leads somewhere: code shows a link's label
    only, and its target would be lost.
    """
    rows = [table.header, *table.rows]
    if any(_leads_somewhere(span) for row in rows for cell in row for span in cell):
        return None
    texts = [[" ".join(spans_text(cell).split()) for cell in row] for row in rows]
    widths = [max(map(display_width, column)) for column in zip(*texts, strict=True)]
    if not widths or sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        return None
    lines = [_GAP.join(map(_padded, row, widths, table.alignments)).rstrip() for row in texts]
    lines.insert(1, _GAP.join(rule * column for column in widths))
    return "\n".join(lines)


def _padded(text: str, width: int, alignment: Alignment) -> str:
    room = width - display_width(text)
    left = {"right": room, "center": room // 2}.get(alignment or "left", 0)
    return " " * left + text + " " * (room - left)


def _leads_somewhere(span: Span) -> bool:
    match span:
        case Link(url=url):
            return url != spans_text((span,))
        case Strong(spans=inner) | Emph(spans=inner) | Strike(spans=inner):
            return any(map(_leads_somewhere, inner))
        case _:
            return False
