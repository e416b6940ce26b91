"""Pure: a table as aligned monospace, if it fits a phone and loses nothing that way."""

from platforms.blocks import Alignment, Emph, Link, Span, Spans, Strike, Strong, Table, spans_text
from platforms.telegram.limits import TABLE_WIDTH
from platforms.text import display_width

_GAP = "  "


def aligned(table: Table) -> str | None:
    """The table as lines of equal columns; None if it is too wide or a cell leads somewhere."""
    rows = [table.header, *table.rows]
    if any(_has_link(cell) for row in rows for cell in row):
        return None
    texts = [[_cell(cell) for cell in row] for row in rows]
    widths = [max(map(display_width, column)) for column in zip(*texts, strict=True)]
    if sum(widths) + len(_GAP) * (len(widths) - 1) > TABLE_WIDTH:
        return None
    lines = [_line(row, widths, table.alignments) for row in texts]
    lines.insert(1, _GAP.join("─" * width for width in widths))
    return "\n".join(lines)


def _cell(spans: Spans) -> str:
    return " ".join(spans_text(spans).split())


def _line(row: list[str], widths: list[int], alignments: tuple[Alignment, ...]) -> str:
    cells = map(_padded, row, widths, alignments)
    return _GAP.join(cells).rstrip()


def _padded(text: str, width: int, alignment: Alignment) -> str:
    room = width - display_width(text)
    left = {"right": room, "center": room // 2}.get(alignment or "left", 0)
    return " " * left + text + " " * (room - left)


def _has_link(spans: Spans) -> bool:
    return any(_leads_somewhere(span) for span in spans)


def _leads_somewhere(span: Span) -> bool:
    match span:
        case Link(url=url):
            return url != spans_text((span,))
        case Strong(spans=inner) | Emph(spans=inner) | Strike(spans=inner):
            return _has_link(inner)
        case _:
            return False
