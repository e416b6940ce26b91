"""Generated text for every test that formats: trees of blocks, and Markdown nobody sane writes."""

from functools import cache

from hypothesis import strategies as st

from platforms.blocks import (
    Alignment,
    Block,
    Blocks,
    Break,
    Code,
    CodeSpan,
    Emph,
    Heading,
    Link,
    List,
    Paragraph,
    Quote,
    Rule,
    Span,
    Spans,
    Strike,
    Strong,
    Table,
    Text,
)

FAMILY = "👨‍👩‍👧‍👦"
FLAGS = "🇩🇪🇫🇷🇯🇵"
PINGS = (
    "@everyone", "@here", "<!channel>", "<!here>", "<@U0123ABCD>", "<@123456789012345678>",
    "<@&42>", "<#C0123>", "<t:1700000000:R>", "<:smile:42>", "@some_user", "<!subteam^S1|x>",
    "<https://evil.example|good.example>", "tg://user?id=1", "/cmd@other_bot", "@room", "#general",
)  # fmt: skip
"""What some platform would read as a mention, a time, an emoji or a link in its own syntax."""

WORDS = (
    "a", "word", "Hello", "snake_case_name", "2*3*4", "x<y", "R&D", "C:\\path", "50%", "it's",
    "漢字かな交じり文", "テスト。", "ไทยภาษา", "नमस्ते", "한국어", "e\u0301",
    "Z\u0351\u036b\u0343", "👍🏽", "❤️", "1️⃣",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "𝔘𝔫𝔦", "שלום", "مرحبا",
    "\u202eevil\u202c", "a\u200bb", "\u2066x\u2069", "\ufeff", "\u00a0", "\u2028",
    FAMILY, FLAGS, *PINGS,
)  # fmt: skip

MARKS = (
    "*", "**", "***", "_", "__", "~", "~~", "`", "``", "```", "````", "~~~", "[", "]", "(", ")",
    "![", "](", "<", ">", "&", "&amp;", "&#x1f600;", "&#10;", "&nbsp", "\\", "\\*", "|", "||", "-",
    "- ", "+ ", "* ", "1. ", "7) ", "-", "=", "#", "## ", "> ", ">", ":", ":-", "-|-", "---",
    "===", "***", "```py", "~~~ js", "| a | b |", "|---|:-:|", "| 1 | 2 |", "[ ] ", "[x](", "{",
    "[l](https://a.example/x_(y))", "[good.example](https://evil.example)", "<https://a.example>",
    "[r](./rel.md)", "[j](javascript:alert)", "![i](https://a.example/i.png)", "[ref]: https://a.b",
    "<b>", "</b>", "<!-- x -->", "<script>", "<div class='x'>",
    "http://bare.example/a_b", "a@b.example", "$$",
)  # fmt: skip

SPACES = (" ", "  ", "    ", "\t", "\n", "\n\n", "\n\n", "\n", "\r\n", "\n    ", "\n  ")

HOSTILE = (
    "[" * 3000,
    "![" * 2000,
    "`" * 3000,
    "".join("`" * (n % 60) + "a" for n in range(120)),
    "*" * 3000,
    "*a **b " * 400,
    "_a*b**c__" * 300,
    ">" * 2000,
    "> " * 500 + "deep",
    "- " * 800 + "deep",
    "1. " * 300 + "deep",
    "\n".join("  " * depth + "- item" for depth in range(60)),
    "\n".join("> " * depth + f"level {depth}" for depth in range(60)),
    "````md\n```py\nx\n```\n````\nafter",
    "```\nunclosed\n~~~\n````",
    "[a](" * 800,
    "[a](<b" * 500,
    "<a:" * 1000,
    "&#" * 1000,
    "\\" * 3001,
    "a|b\n" * 300,
    "|" * 1000 + "\n" + "|-" * 1000 + "|\n" + "x\n" * 50,
    "a\u0300" + "\u0301" * 3000,
    FAMILY * 200,
    "🇩" * 999,
    "\ud83d",
    "\ud83d\ude00 \udc00",
    "\x00\x01\x1b[31m\x7f\x85",
    "x" * 9000,
    ("word " * 10 + "\n") * 500,
    "\n" * 3000,
    "[![a](https://a.example/i)](https://b.example)" * 50,
    "a\n" * 50 + "===\n" * 3,
    "- a | b\n-|-\n- c",
    "| |\n---\n| |\n**a\n| |\n",
    "> ```\n> x\ny\n> ```",
    "[x]\n\n[x]: https://a.example",
)
"""One text per way to be dear, deep or lossy."""


def markdown(*, max_size: int = 60) -> st.SearchStrategy[str]:
    """Soup of words, marks and breaks: everything a model may emit, in no sensible order."""
    piece = st.one_of(
        st.sampled_from(WORDS),
        st.sampled_from(MARKS),
        st.sampled_from(MARKS),
        st.sampled_from(SPACES),
        st.text(max_size=3),
    )
    return st.lists(piece, max_size=max_size).map("".join)


def line_soup(*, max_size: int = 12) -> st.SearchStrategy[str]:
    """Lines that begin, go on and end blocks within each other, in no sensible order."""
    containers = st.lists(
        st.sampled_from(("> ", ">", "- ", "-", "* ", "1. ", "2) ", "  ", "   ", "    ", "\t")),
        max_size=3,
    ).map("".join)
    content = st.sampled_from((
        "", " ", "a", "word b", "---", "-", "===", "=", "***", "* * *", "#", "# h", "```", "````",
        "~~~", "```py", "``` x`", "| a | b |", "|---|---|", "a|b", "-|-", "| |", "|-|", "x|", "|",
        "1.", "1", "-x", "**a", "b**", "`c", "d`", "[l](http://a.b", "c)", "x  ", "y\\", "<b>",
        "&amp;", "&nbsp;", "[r]: http://a.b",
    ))  # fmt: skip
    line = st.tuples(containers, content).map("".join)
    return st.lists(line, max_size=max_size).map("\n".join)


def hostile_markdown() -> st.SearchStrategy[str]:
    """Soup, or one of the texts made to hurt, or both."""
    hostile = st.sampled_from(HOSTILE)
    return st.one_of(
        markdown(), hostile, st.tuples(markdown(max_size=10), hostile, markdown()).map("".join)
    )


def documents() -> st.SearchStrategy[str]:
    """Well-formed Markdown as a model writes it: blocks of every kind below each other."""
    sentence = st.lists(_phrases(), min_size=1, max_size=6).map(" ".join)
    row = st.tuples(sentence, sentence).map(lambda c: "| " + " | ".join(_cell(x) for x in c) + " |")
    blocks = st.one_of(
        st.lists(sentence, min_size=1, max_size=3).map("\n".join),
        st.tuples(st.integers(1, 6), sentence).map(lambda h: "#" * h[0] + " " + h[1]),
        st.lists(sentence, min_size=1, max_size=5).map(lambda i: "\n".join("- " + x for x in i)),
        st.lists(sentence, min_size=1, max_size=5).map(
            lambda i: "\n".join(f"{n}. {x}\n   - nested" for n, x in enumerate(i, 1))
        ),
        st.lists(sentence, min_size=1, max_size=3).map(lambda i: "\n".join("> " + x for x in i)),
        st.lists(sentence, max_size=5).map(lambda i: "```py\n" + "x = 1\n\n" * len(i) + "```"),
        st.lists(row, max_size=4).map(lambda r: "\n".join(["| h1 | h2 |", "|---|--:|", *r])),
        st.just("---"),
    )
    return st.lists(blocks, min_size=1, max_size=6).map("\n\n".join)


def _phrases() -> st.SearchStrategy[str]:
    word = st.sampled_from(("plain", "words", "漢字", FAMILY, "R&amp;D", "x", "end."))
    styled = st.sampled_from(("**{}**", "*{}*", "~~{}~~", "[{}](https://a.example/p?q=1)"))
    return st.one_of(
        word, st.just("`code`"), st.builds(lambda form, word: form.format(word), styled, word)
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


@cache
def texts(*, max_size: int = 8) -> st.SearchStrategy[str]:
    """Visible text without a newline, as a `Text` may hold it; never empty, never blank."""
    word = st.one_of(
        st.sampled_from(WORDS),
        st.sampled_from(MARKS),
        st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=4),
    )
    joined = st.lists(word, min_size=1, max_size=max_size).map(" ".join)
    return joined.filter(lambda text: bool(text.strip()) and "\n" not in text)


@cache
def spans(*, depth: int = 2) -> st.SearchStrategy[Spans]:
    """Content of a line; at most `depth` styles within each other."""
    return st.lists(_span(depth, links=True), min_size=1, max_size=5).map(tuple)


@cache
def _span(depth: int, *, links: bool) -> st.SearchStrategy[Span]:
    choices: list[st.SearchStrategy[Span]] = [
        texts().map(lambda text: Text(text=text)),
        texts(max_size=2).map(lambda text: CodeSpan(text=text)),
    ]
    if depth:
        inner = st.lists(_span(depth - 1, links=links), min_size=1, max_size=3).map(tuple)
        choices += [
            inner.map(lambda spans: Strong(spans=spans)),
            inner.map(lambda spans: Emph(spans=spans)),
            inner.map(lambda spans: Strike(spans=spans)),
            st.tuples(texts(max_size=1), texts(max_size=1)).map(_two_lines),
        ]
    if links and depth:
        label = st.lists(_span(depth - 1, links=False), min_size=1, max_size=2).map(tuple)
        url = st.sampled_from(("https://a.example/x_(y)?b=c&d", "mailto:a@b.example"))
        choices.append(st.builds(Link, url=url, spans=label))
    return st.one_of(choices)


def _two_lines(pair: tuple[str, str]) -> Span:
    return Strong(spans=(Text(text=pair[0]), Break(), Text(text=pair[1])))


@cache
def block(*, depth: int = 2) -> st.SearchStrategy[Block]:
    """One block of any kind, containers within each other at most `depth` deep."""
    choices: list[st.SearchStrategy[Block]] = [
        spans().map(lambda content: Paragraph(spans=content)),
        st.builds(Heading, level=st.integers(1, 6), spans=spans(depth=1)),
        st.builds(Code, language=st.sampled_from(("", "py", "c++")), text=_code()),
        tables(),
        st.just(Rule()),
    ]
    if depth:
        inner = blocks(depth=depth - 1, min_size=1, max_size=3)
        items = st.lists(inner, min_size=1, max_size=5).map(tuple)
        choices += [
            inner.map(lambda content: Quote(blocks=content)),
            st.builds(List, ordered=st.booleans(), start=st.integers(0, 999), items=items),
        ]
    return st.one_of(choices)


@cache
def blocks(*, depth: int = 2, min_size: int = 0, max_size: int = 6) -> st.SearchStrategy[Blocks]:
    """Any tree the parser could have made."""
    return st.lists(block(depth=depth), min_size=min_size, max_size=max_size).map(tuple)


@cache
def tables() -> st.SearchStrategy[Table]:
    """A table with something in its first cell; the others may be empty."""
    return st.integers(1, 4).flatmap(_tables)


@cache
def _tables(columns: int) -> st.SearchStrategy[Table]:
    cell = st.one_of(st.just(()), spans(depth=1))
    row = st.tuples(*[cell] * columns)
    alignment: st.SearchStrategy[Alignment] = st.sampled_from((None, "left", "center", "right"))
    return st.builds(
        Table,
        header=st.tuples(spans(depth=1), *[cell] * (columns - 1)),
        rows=st.lists(row, max_size=5).map(tuple),
        alignments=st.tuples(*[alignment] * columns),
    )


@cache
def _code() -> st.SearchStrategy[str]:
    line = st.one_of(texts(max_size=4), st.just(""), st.just("\tindented"), st.just("```"))
    return (
        st.lists(line, min_size=1, max_size=8)
        .map("\n".join)
        .filter(lambda text: bool(text.strip()))
    )
