"""Pure: a table as aligned monospace, if it fits a narrow window and loses nothing that way."""

from platforms.blocks import Alignment, Emph, Link, Span, Spans, Strike, Strong, Table, spans_text
from platforms.discord.limits import TABLE_WIDTH
from platforms.text import display_width

_GAP = "  "


def aligned(table: Table) -> str | None:
    """The table as lines of equal columns; None if it is too wide or a cell leads somewhere."""
    rows = (table.header, *table.rows)
    if any(_leads(span) for row in rows for cell in row for span in cell):
        return None
    texts = [[" ".join(spans_text(cell).split()) for cell in row] for row in rows]
    widths = [max(map(display_width, column)) for column in zip(*texts, strict=True)]
    if not widths or sum(widths) + len(_GAP) * (len(widths) - 1) > TABLE_WIDTH:
        return None
    head, *body = [_line(row, widths, table.alignments) for row in texts]
    return "\n".join((head, _GAP.join("-" * width for width in widths), *body))


def _line(row: list[str], widths: list[int], alignments: tuple[Alignment, ...]) -> str:
    return _GAP.join(map(_padded, row, widths, alignments)).rstrip()


def _padded(text: str, width: int, alignment: Alignment) -> str:
    room = width - display_width(text)
    before = {"right": room, "center": room // 2}.get(alignment or "left", 0)
    return " " * before + text + " " * (room - before)


def _leads(span: Span) -> bool:
    """Whether a reader would lose a target: code shows a link's label only."""
    match span:
        case Link(url=url):
            return url != spans_text((span,))
        case Strong(spans=inner) | Emph(spans=inner) | Strike(spans=inner):
            return _any_leads(inner)
        case _:
            return False


def _any_leads(spans: Spans) -> bool:
    return any(map(_leads, spans))
