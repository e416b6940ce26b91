"""Blocks become HTML that shows exactly their text and can do nothing else."""

from collections.abc import Iterator
from itertools import chain

import pytest
from hypothesis import given, settings

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
    Strike,
    Strong,
    Table,
    Text,
    clean_text,
)
from platforms.markup import StreamParser, parse
from platforms.web.format import format_blocks, format_card, format_plain
from platforms.web.html import Html
from tests.platforms import strategies
from tests.platforms.web.strict_html import read_strictly


def leaves(node: Block | Span) -> Iterator[str]:
    """The words of a tree in their order."""
    match node:
        case Text(text=text) | CodeSpan(text=text) | Code(text=text):
            yield text
        case Break() | Rule():
            return
        case Quote(blocks=inner):
            for block in inner:
                yield from leaves(block)
        case List(items=items):
            for block in chain.from_iterable(items):
                yield from leaves(block)
        case Table(header=header, rows=rows):
            for span in chain.from_iterable(chain.from_iterable((header, *rows))):
                yield from leaves(span)
        case _:
            for span in node.spans:
                yield from leaves(span)


EXAMPLES: list[tuple[str, Block, str]] = [
    (
        "paragraph",
        Paragraph(spans=(Text(text="a < b & c"), Break(), Strong(spans=(Text(text="d"),)))),
        "<p>a &lt; b &amp; c<br><strong>d</strong></p>",
    ),
    (
        "marks",
        Paragraph(
            spans=(
                Emph(spans=(Text(text="a"),)),
                Strike(spans=(Text(text="b"),)),
                CodeSpan(text="<c>"),
            )
        ),
        "<p><em>a</em><s>b</s><code>&lt;c&gt;</code></p>",
    ),
    ("first heading", Heading(level=1, spans=(Text(text="a"),)), "<h3>a</h3>"),
    ("last heading", Heading(level=6, spans=(Text(text="a"),)), "<h6>a</h6>"),
    ("rule", Rule(), "<hr>"),
    (
        "link",
        Paragraph(spans=(Link(url='https://x.org/?a="&b', spans=(Text(text="x"),)),)),
        '<p><a href="https://x.org/?a=&quot;&amp;b" rel="noopener noreferrer nofollow"'
        ' target="_blank">x</a></p>',
    ),
    (
        "link that would run",
        Paragraph(spans=(Link(url="javascript:alert(1)", spans=(Text(text="x"),)),)),
        "<p>x</p>",
    ),
    (
        "numbers go on",
        List(ordered=True, start=4, items=((Paragraph(spans=(Text(text="a"),)),),)),
        '<ol start="4"><li>a</li></ol>',
    ),
    (
        "item begun before",
        List(ordered=False, start=1, items=((Rule(),), (Rule(),)), continued=True),
        '<ul><li class="continued"><hr></li><li><hr></li></ul>',
    ),
    (
        "quote",
        Quote(blocks=(Paragraph(spans=(Text(text="a"),)),)),
        "<blockquote><p>a</p></blockquote>",
    ),
    (
        "table",
        Table(
            header=((Text(text="a"),), (Text(text="b"),)),
            rows=(((Text(text="1"),), (Text(text="2"),)),),
            alignments=(None, "right"),
        ),
        '<div class="table" tabindex="0" role="region" aria-label="Table"><table><thead><tr>'
        '<th>a</th><th class="right">b</th></tr></thead><tbody><tr><td>1</td>'
        '<td class="right">2</td></tr></tbody></table></div>',
    ),
    (
        "code",
        Code(language="python", text="if a < b:\n    pass"),
        '<div class="code"><div class="bar"><span>python</span>'
        '<button type="button" class="copy small">Copy</button></div>'
        '<pre tabindex="0" role="region" aria-label="Code, python" dir="ltr">'
        "<code>if a &lt; b:\n    pass</code></pre></div>",
    ),
]


@pytest.mark.parametrize(
    ("block", "html"), [pytest.param(block, html, id=name) for name, block, html in EXAMPLES]
)
def test_each_block_has_its_html(block: Block, html: str) -> None:
    """One block, one element."""
    assert format_blocks((block,)) == (html,)


@given(strategies.blocks())
def test_any_tree_is_safe_html_that_shows_its_words(blocks: Blocks) -> None:
    """Known tags, all closed, one root a block; no character lost, added or read as markup."""
    for block, html in zip(blocks, format_blocks(blocks), strict=True):
        reader = read_strictly(html)
        assert len(reader.roots) == 1
        assert "".join(reader.text) == "".join(leaves(block))


CARD = Paragraph(
    spans=(
        Strong(spans=(Text(text="Approval K7Q2F: shell"),)),
        Break(),
        Text(text="a <line>"),
        Break(),
        Strong(spans=(Text(text="At most"),)),
        Text(text="  $2.09   live"),
        CodeSpan(text="x"),
    )
)


def test_the_lines_of_a_card_stand_in_columns() -> None:
    """A label stands beside its words, and the two blanks that parted them are not shown."""
    assert format_card((CARD, Rule())) == (
        '<div class="lines"><p><strong>Approval K7Q2F: shell</strong></p>'
        "<p>a &lt;line&gt;</p>"
        '<p class="labelled"><strong>At most</strong>'
        "<span>$2.09   live<code>x</code></span></p></div>",
        "<hr>",
    )


@settings(max_examples=50)
@given(strategies.blocks())
def test_a_card_shows_every_word_too(blocks: Blocks) -> None:
    """Laid out in lines a tree loses nothing but blanks after a label."""
    for block, html in zip(blocks, format_card(blocks), strict=True):
        shown = "".join(read_strictly(html).text)
        assert shown.replace(" ", "") == "".join(leaves(block)).replace(" ", "")


HOSTILE = (
    "<script>alert(1)</script>",
    "</pre></code><img src=x onerror=alert(1)>",
    "\"' onmouseover='x'",
    "&lt;b&gt; &amp;amp; &#x3c;",
    "<!-- --> <![CDATA[ ]]>",
    "</textarea></title></style>",
    "javascript:alert(1)",
    " javascript:alert(1)",
    "data:text/html,x",
    'http://x/"><script>',
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_are_words_everywhere(text: str) -> None:
    """In running text, code, its language, a cell, a link's label and its address."""
    words = (Text(text=text),)
    blocks: Blocks = (
        Paragraph(spans=(*words, CodeSpan(text=text), Link(url=text, spans=words))),
        Code(language=text, text=text),
        Table(header=(words,), rows=((words,),), alignments=(None,)),
    )
    for block, html in zip(blocks, format_blocks(blocks), strict=True):
        assert "".join(read_strictly(html).text) == "".join(leaves(block))


@given(strategies.texts())
def test_what_people_wrote_is_literal(text: str) -> None:
    """A person's own message is text, not markup of any kind."""
    reader = read_strictly(format_plain(text))
    assert "".join(reader.text) == clean_text(text)
    assert reader.roots == ["p"]


@given(strategies.blocks(max_size=3), strategies.blocks(max_size=2))
def test_known_blocks_are_taken_over(before: Blocks, after: Blocks) -> None:
    """Reusing the HTML of an earlier state gives what formatting afresh gives."""
    known_html = format_blocks(before)
    made = format_blocks(before + after, known=before, known_html=known_html)
    assert made == format_blocks(before + after)
    assert all(a is b for a, b in zip(made, known_html, strict=False))


def test_every_prefix_of_an_answer_is_whole() -> None:
    """An answer that is still being written is shown as valid HTML at every character."""
    answer = (
        "# A\n\n1. **b** `c`\n   - d\n\n> e\n\n| f | g |\n|---|--:|\n| 1 | 2 |\n\n```py\nh\n```\n"
    )
    parser = StreamParser()
    known: Blocks = ()
    known_html: tuple[Html, ...] = ()
    for character in answer:
        parser.feed(character)
        blocks = parser.blocks()
        known_html = format_blocks(blocks, known=known, known_html=known_html)
        known = blocks
        read_strictly("".join(known_html))
    assert known_html == format_blocks(parse(answer))
