"""What Markdown is read as: CommonMark where we follow it, and where we do not on purpose."""

import pytest

from platforms.blocks import (
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
    clean_text,
    from_json,
    list_markers,
    plain,
    plain_text,
)
from platforms.links import URL_MAX, label_misleads, link_allowed, link_target
from platforms.markup import StreamParser, parse, parse_prefix
from tests.platforms.answers import ANSWERS
from tests.platforms.test_markup_laws import check_prefixes, check_tree


def spans(*items: Span | str) -> Spans:
    return tuple(Text(text=item) if isinstance(item, str) else item for item in items)


def p(*items: Span | str) -> Paragraph:
    return Paragraph(spans=spans(*items))


def strong(*items: Span | str) -> Strong:
    return Strong(spans=spans(*items))


def emph(*items: Span | str) -> Emph:
    return Emph(spans=spans(*items))


def link(url: str, *items: Span | str) -> Link:
    return Link(url=url, spans=spans(*items))


def quote(*blocks: Block) -> Quote:
    return Quote(blocks=blocks)


def bullets(*items: Blocks) -> List:
    return List(ordered=False, start=1, items=items)


def numbers(start: int, *items: Blocks) -> List:
    return List(ordered=True, start=start, items=items)


def code(text: str, language: str = "") -> Code:
    return Code(language=language, text=text)


B = Break()

# Source: examples of the CommonMark specification 0.31, renumbered by topic.
COMMONMARK: dict[str, tuple[str, tuple[Block, ...]]] = {
    "thematic breaks": ("***\n---\n___", (Rule(), Rule(), Rule())),
    "not a break": ("+++", (p("+++"),)),
    "break or item": ("- foo\n***\n- bar", (bullets((p("foo"),)), Rule(), bullets((p("bar"),)))),
    "atx": (
        "# foo\n###### foo #",
        (Heading(level=1, spans=spans("foo")), Heading(level=6, spans=spans("foo"))),
    ),
    "seven is no atx": ("####### foo", (p("####### foo"),)),
    "atx needs a blank": ("#hashtag", (p("#hashtag"),)),
    "setext": ("Foo *bar*\n=========", (Heading(level=1, spans=spans("Foo ", emph("bar"))),)),
    "setext of lines": ("Foo\nbar\n---", (Heading(level=2, spans=spans("Foo", B, "bar")),)),
    "indented code": ("    a\n\n      b", (code("a\n\n  b"),)),
    "code keeps marks": ("    <a/>\n    *hi*", (code("<a/>\n*hi*"),)),
    "no code in a paragraph": ("Foo\n    bar", (p("Foo", B, "bar"),)),
    "fence": ("```\n<\n >\n```", (code("<\n >"),)),
    "tilde fence": ("~~~ ruby startline=3 $%@#$\nx\n~~~~~", (code("x", "ruby"),)),
    "shorter fence stays": ("````\naaa\n```\n``````", (code("aaa\n```"),)),
    "unclosed fence": ("```py\naaa\n\n", (code("aaa\n", "py"),)),
    "dedented fence": ("   ```\n   aaa\n    aaa\n  aaa\n   ```", (code("aaa\n aaa\naaa"),)),
    "ticks in info": ("``` aa ```\naaa", (p(CodeSpan(text="aa"), B, "aaa"),)),
    "paragraphs": ("aaa\nbbb\n\n\nccc", (p("aaa", B, "bbb"), p("ccc"))),
    "hard breaks": ("a  \nb\\\nc", (p("a", B, "b", B, "c"),)),
    "quote": (
        "> # Foo\n> bar\nlazy",
        (Quote(blocks=(Heading(level=1, spans=spans("Foo")), p("bar", B, "lazy"))),),
    ),
    "two quotes": ("> a\n\n> b", (Quote(blocks=(p("a"),)), Quote(blocks=(p("b"),)))),
    "quote in quote": (">> a\n> b", (Quote(blocks=(Quote(blocks=(p("a", B, "b"),)),)),)),
    "item with blocks": (
        "1.  A\n\n        code\n\n    > q",
        (numbers(1, (p("A"), code("code"), Quote(blocks=(p("q"),)))),),
    ),
    "start number": ("123456789. ok", (numbers(123456789, (p("ok"),)),)),
    "too long a number": ("1234567890. not ok", (p("1234567890. not ok"),)),
    "marker changes": ("- a\n+ b", (bullets((p("a"),)), bullets((p("b"),)))),
    "delimiter changes": ("1. a\n2) b", (numbers(1, (p("a"),)), numbers(2, (p("b"),)))),
    "only 1 interrupts": (
        "The windows:\n14. Not a list",
        (p("The windows:", B, "14. Not a list"),),
    ),
    "1 interrupts": ("The doors:\n1. A list", (p("The doors:"), numbers(1, (p("A list"),)))),
    "empty item": ("- foo\n-\n- bar", (bullets((p("foo"),), (), (p("bar"),)),)),
    "nested lists": (
        "- a\n  - b\n    - c",
        (
            bullets(
                (p("a"), bullets((p("b"), bullets((p("c"),))))),
            ),
        ),
    ),
    "list in list": ("- - foo", (bullets((bullets((p("foo"),)),)),)),
    "escapes": (r"\*a\* \# \q &quot;", (p(r'*a* # \q "'),)),
    "entities": ("&nbsp;x&amp;&copy;&#35;&#X22;&bogus;", (p('\u00a0x&©#"&bogus;'),)),
    "code span": ("`` foo ` bar ``", (p(CodeSpan(text="foo ` bar")),)),
    "code span line": ("`foo   bar \nbaz`", (p(CodeSpan(text="foo   bar  baz")),)),
    "code before emphasis": ("*foo`*`", (p("*foo", CodeSpan(text="*")),)),
    "emphasis": (
        "*a* _b_ **c** __d__",
        (p(emph("a"), " ", emph("b"), " ", strong("c"), " ", strong("d")),),
    ),
    "no emphasis": ("a * b * snake_case_x 2*", (p("a * b * snake_case_x 2*"),)),
    "intraword star": ("foo*bar*baz", (p("foo", emph("bar"), "baz"),)),
    "both": ("***a***", (p(emph(strong("a"))),)),
    "strong in emphasis": ("*a **b** c*", (p(emph("a ", strong("b"), " c")),)),
    "rule of three": ("*foo**bar*", (p(emph("foo**bar")),)),
    "inline link": ('[link](https://a.example "title")', (p(link("https://a.example", "link")),)),
    "link with parentheses": (
        "[a](https://a.example/x_(y))",
        (p(link("https://a.example/x_(y)", "a")),),
    ),
    "link in angles": ("[a](<https://a.example/b c>)", (p(link("https://a.example/b%20c", "a")),)),
    "no link in a link": (
        "[a [b](https://b.example) c](https://a.example)",
        (p("[a ", link("https://b.example", "b"), " c](https://a.example)"),),
    ),
    "brackets in a label": ("[a [b]](https://a.example)", (p(link("https://a.example", "a [b]")),)),
    "styled label": (
        "[*a* `b`](https://a.example)",
        (p(link("https://a.example", emph("a"), " ", CodeSpan(text="b"))),),
    ),
    "autolinks": (
        "<https://a.example/?q=1> <me@a.example>",
        (
            p(
                link("https://a.example/?q=1", "https://a.example/?q=1"),
                " ",
                link("mailto:me@a.example", "me@a.example"),
            ),
        ),
    ),
    "strikethrough": ("~~a *b*~~ ~c~", (p(Strike(spans=spans("a ", emph("b"))), " ~c~"),)),
    "table": (
        "| a | b |\n|---|:-:|\n| 1 \\| 2 | `3` |\n| 4 |",
        (
            Table(
                header=(spans("a"), spans("b")),
                alignments=(None, "center"),
                rows=((spans("1 | 2"), spans(CodeSpan(text="3"))), (spans("4"), ())),
            ),
        ),
    ),
    "no table": ("| a | b |\n|---|", (p("| a | b |", B, "|---|"),)),
}


@pytest.mark.parametrize(("source", "expected"), COMMONMARK.values(), ids=COMMONMARK.keys())
def test_commonmark(source: str, expected: Blocks) -> None:
    """The grammar is CommonMark's, with tables and strikethrough."""
    assert parse(source) == expected


OURS: dict[str, tuple[str, tuple[Block, ...]]] = {
    "html is text": ("<b>x</b>\n<!-- y -->", (p("<b>x</b>", B, "<!-- y -->"),)),
    "html block is text": ("<div>\n*x*\n</div>", (p("<div>", B, emph("x"), B, "</div>"),)),
    "image is text": ("![a *b*](https://a.example/i.png)", (p("a b (https://a.example/i.png)"),)),
    "image without words": ("![](https://a.example/i.png)", (p("https://a.example/i.png"),)),
    "image in a link": (
        "[![a](https://i.example/i)](https://a.example)",
        (p(link("https://a.example", "a")),),
    ),
    "data image": ("![a](data:image/png;base64,AAAA)", (p("![a](data:image/png;base64,AAAA)"),)),
    "script target": ("[a](javascript:alert(1))", (p("[a](javascript:alert(1))"),)),
    "relative target": ("[a *b*](./docs)", (p("[a ", emph("b"), "](./docs)"),)),
    "other scheme": (
        "<tg://user?id=1> [a](tg://user?id=1)",
        (p("<tg://user?id=1> [a](tg://user?id=1)"),),
    ),
    "no host": ("[a](https:///x)", (p("[a](https:///x)"),)),
    "endless target": (
        f"[a](https://a.example/{'x' * 3000})",
        (p(f"[a](https://a.example/{'x' * 3000})"),),
    ),
    "mail": ("[a](mailto:b@c.example)", (p(link("mailto:b@c.example", "a")),)),
    "empty label": ("[](https://a.example)", (p(link("https://a.example", "https://a.example")),)),
    "turned label": (
        "[\u202emoc.live\u202c](https://a.example)",
        (p(link("https://a.example", "https://a.example")),),
    ),
    "other host in label": (
        "[good.example](https://evil.example/x)",
        (p(link("https://evil.example/x", "good.example"), " (evil.example)"),),
    ),
    "no reference": ("[a]\n\n[a]: https://a.example", (p("[a]"), p("[a]: https://a.example"))),
    "style in itself": ("**a __b__ c**", (p(strong("a b c")),)),
    "controls": ("a\x00b\x1b[31m\x85\ud800c", (p("a\ufffdb\ufffd[31m\ufffd\ufffdc"),)),
    "controls by entity": ("a&#12;b&#10;c&#27;d", (p("a\ufffdb c\ufffdd"),)),
    "language is a word": ("```{.py} x\ny\n```\n```c++ a=b\nz\n```", (code("y"), code("z", "c++"))),
    "nothing to see": ("&nbsp;\n\n\u200b\n\n#\n\n>\n\n```\n\n```\n\n| |\n|-|", ()),
    "blank": (" \n\t\n", ()),
    "windows newlines": ("a\r\nb\rc", (p("a", B, "b", B, "c"),)),
    "halves of a pair": ("\ud83d\ude00", (p("😀"),)),
    "too deep": ("> " * 50 + "a", (p("> " * 50 + "a"),)),
    "dissolves": ("> " * 8 + "a", (quote(quote(quote(quote(quote(quote(p("a"))))))),)),
    "long is literal": ("*a*\n" + "b" * 4100, (p("*a*", B, "b" * 4100),)),
}


@pytest.mark.parametrize(("source", "expected"), OURS.values(), ids=OURS.keys())
def test_where_we_differ(source: str, expected: Blocks) -> None:
    """Safety and chats ask for something else than CommonMark in these."""
    assert parse(source) == expected


PREFIXES = (
    ("**bold", (p(strong("bol")),)),
    ("**bold*", (p(strong("bold")),)),
    ("a **b *c", (p("a ", strong("b")),)),
    ("a **b *c d", (p("a ", strong("b ", emph("c"))),)),
    ("`co", (p(CodeSpan(text="c")),)),
    ("``a ` bc", (p(CodeSpan(text="a ` b")),)),
    ("[lab", (p("la"),)),
    ("[label]", (p("label"),)),
    ("[label](https://a.exam", (p("label"),)),
    ("![alt](https://a.exam", (p("alt"),)),
    ("see <https://a.exam", (p("see"),)),
    ("a &am", (p("a"),)),
    ("a &amp;x", (p("a &"),)),
    ("a \\", (p("a"),)),
    ("1. ", ()),
    ("- a\n- ", (bullets((p("a"),)),)),
    ("a\n--", (p("a"),)),
    ("a\n---\n", (Heading(level=2, spans=spans("a")),)),
    ("# ", ()),
    ("a\n```p", (p("a"),)),
    ("a\n```py\nxy", (p("a"), code("x", "py"))),
    ("a\n```py\nx\n``", (p("a"), code("x", "py"))),
    ("a\n| x | y |\n", (p("a"),)),
    ("a\n| x | y |\n|--", (p("a"),)),
    ("a\n| x | y |\nb c", (p("a", B, "| x | y |", B, "b"),)),
    ("|x|\n|-|\n", (Table(header=(spans("x"),), rows=(), alignments=(None,)),)),
    (
        "|x|\n|-|\n|a|\n|b",
        (Table(header=(spans("x"),), rows=((spans("a"),),), alignments=(None,)),),
    ),
    ("family 👨‍👩‍👧", (p("family"),)),
    ("2*3 is si", (p("2*3 is s"),)),
    ("\r", ()),
    ("a\ud83d", ()),
)


@pytest.mark.parametrize(("source", "expected"), PREFIXES)
def test_prefix_holds_back(source: str, expected: Blocks) -> None:
    """What is undecided waits, what is open is closed."""
    assert parse_prefix(source) == expected


def test_long_list_streams_as_one_list() -> None:
    """Items settled long ago and the one being written are one list with running numbers."""
    stream = StreamParser()
    for number in range(1, 200):
        stream.feed(f"{number}. item **{number}**\n")
    (whole,) = stream.finish()
    assert isinstance(whole, List)
    assert len(whole.items) == 199
    assert stream.finish() == stream.finish()


def test_long_code_streams_as_one_block() -> None:
    """So are the lines of a fence, marks of other fences and all."""
    body = "".join(f"line {number} ``` ~~~\n\n" for number in range(300))
    stream = StreamParser()
    stream.feed("````py\n" + body)
    assert stream.finish() == (code(body.removesuffix("\n"), "py"),)
    stream.feed("````\nafter")
    assert stream.finish() == (code(body.removesuffix("\n"), "py"), p("after"))


def test_long_table_streams_as_one_table() -> None:
    """So are the rows of a table."""
    stream = StreamParser()
    stream.feed("| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 500)
    (whole,) = stream.finish()
    assert isinstance(whole, Table)
    assert len(whole.rows) == 500


def test_long_quote_is_cut_and_kept() -> None:
    """A quote of 100 KB costs no more than a few, and every word of it is there."""
    source = "".join(f"> word{number} and more of it\n" for number in range(4_000))
    tree = parse(source)
    assert 1 < len(tree) < 6
    assert plain_text(tree).split() == source.replace("> ", "").split()


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_stream(name: str) -> None:
    """At every prefix of an answer the tree is sound and takes back no block but the last."""
    check_tree(parse(ANSWERS[name]))
    check_prefixes(ANSWERS[name], step=max(1, len(ANSWERS[name]) // 400))


@pytest.mark.parametrize(
    ("label", "url", "misleads"),
    [
        ("the docs", "https://a.example", False),
        ("a.example", "https://a.example/x", False),
        ("https://a.example/y", "https://a.example/x", False),
        ("www.a.example", "https://a.example", False),
        ("a.example", "https://docs.a.example", False),
        ("docs.a.example", "https://a.example", True),
        ("b.example", "https://a.example", True),
        ("https://b.example@a.example", "https://a.example", False),
        ("b.example", "https://b.example@a.example", True),
        ("Ｂ.example", "https://a.example", True),
        ("b。example", "https://a.example", True),
        ("b.\u200bexample", "https://a.example", True),
        ("bücher.example", "https://xn--bcher-kva.example/x", False),
        ("README.md", "https://a.example", False),
        ("README.md/", "https://a.example", True),
        ("v1.2.3", "https://a.example", False),
        ("me@b.example", "mailto:me@b.example", False),
        ("me@b.example", "mailto:me@a.example", True),
        ("http://10.0.0.1/x", "https://a.example", True),
    ],
)
def test_label_of_another_host(label: str, url: str, misleads: bool) -> None:
    """A label that reads like a host has to be the target's own or one above it."""
    assert label_misleads(label, url) is misleads


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://a.example:8080/x", "a.example"),
        ("HTTP://A.example", "a.example"),
        ("mailto:a@b.example", "a@b.example"),
        ("ftp://a.example", ""),
        ("https:a.example", ""),
        ("https://[::1", ""),
        ("//a.example", ""),
        ("", ""),
    ],
)
def test_link_target(url: str, target: str) -> None:
    """The target is what a reader has to know; none means the link is not live."""
    assert link_target(url) == target
    assert link_allowed(url) is bool(target)


def test_link_too_long() -> None:
    """A target of more characters than a part could hold is not live."""
    assert not link_allowed("https://a.example/" + "x" * URL_MAX)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\ud83d\ude00", "😀"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\x00\x1f\x7f\x80\x9f", "\ufffd" * 5),
        ("\u202e\u200d\ufeff", "\u202e\u200d\ufeff"),
    ],
)
def test_clean_text(text: str, clean: str) -> None:
    """Controls and halves of characters become visible marks; everything else stays."""
    assert clean_text(text) == clean


def test_plain_text_of_everything() -> None:
    """The visible text shows markers, numbers, cells and indents as a chat would."""
    tree = parse(
        "# T\n\na **b**\n\n9. x\n10. y\n    - z\n\n> q\n\n"
        "```py\nc\n```\n\n|h|i|\n|-|-|\n|j|k|\n\n---"
    )
    assert plain_text(tree) == ("T\n\na b\n\n9. x\n10. y\n    • z\n\nq\n\nc\n\nh | i\nj | k\n\n---")


def test_plain() -> None:
    """Literal text keeps its marks; blank lines part paragraphs."""
    assert plain("# *a*\n  b\n\n \n\nc") == (p("# *a*", B, "  b"), p("c"))


def test_continued_item_has_no_marker() -> None:
    """An item that goes on is indented as far as its marker was wide."""
    tree = List(ordered=True, start=9, items=((p("a"),), (p("b"),)), continued=True)
    assert list_markers(tree) == ("   ", "10. ")


@pytest.mark.parametrize(
    "value",
    [[1], [{}], [{"is": "x"}], [{"is": "paragraph", "spans": [{"is": "y"}]}], [{"is": "code"}], 3],
)
def test_stored_form_refuses_others(value: list[object]) -> None:
    """What is not a stored tree is a ValueError, whatever it is."""
    with pytest.raises(ValueError, match=r"unknown|not a stored"):
        from_json(value)
