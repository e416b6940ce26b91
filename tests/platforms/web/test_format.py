"""Blocks become HTML that shows exactly their text and can do nothing else."""

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
    Spans,
    Strike,
    Strong,
    Table,
    Text,
    spans_text,
)
from platforms.markup import StreamParser, parse
from platforms.web.format import format_blocks, format_plain
from platforms.web.html import Html
from tests.platforms.web import trees
from tests.platforms.web.strict_html import read_strictly

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
        '<pre tabindex="0" role="region" aria-label="Code, python">'
        "<code>if a &lt; b:\n    pass</code></pre></div>",
    ),
]


@pytest.mark.parametrize(
    ("block", "html"), [pytest.param(block, html, id=name) for name, block, html in EXAMPLES]
)
def test_each_block_has_its_html(block: Block, html: str) -> None:
    """One block, one element."""
    assert format_blocks((block,)) == (html,)


@settings(max_examples=60)
@given(trees.blocks)
def test_any_tree_is_safe_html(blocks: Blocks) -> None:
    """Whatever the words are: known tags, closed, one root a block, and no way to run anything."""
    for html in format_blocks(blocks):
        assert len(read_strictly(html).roots) == 1


@given(trees.spans)
def test_words_are_shown_as_they_are(spans: Spans) -> None:
    """No character is lost, added or read as markup."""
    (html,) = format_blocks((Paragraph(spans=spans),))
    assert "".join(read_strictly(html).text) == spans_text(spans).replace("\n", "")


@given(trees.words)
def test_what_people_wrote_is_literal(text: str) -> None:
    """A person's own message is text, not markup of any kind."""
    reader = read_strictly(format_plain(text))
    assert "".join(reader.text) == text
    assert reader.roots == ["p"]


@settings(max_examples=30)
@given(trees.blocks, trees.blocks)
def test_known_blocks_are_taken_over(before: Blocks, after: Blocks) -> None:
    """Reusing the HTML of an earlier state gives what formatting afresh gives."""
    grown = before + after
    known_html = format_blocks(before)
    made = format_blocks(grown, known=before, known_html=known_html)
    assert made == format_blocks(grown)
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
