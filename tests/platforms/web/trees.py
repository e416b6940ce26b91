"""Any text tree the renderer may be given, with the characters that break HTML well represented."""

from hypothesis import strategies as st

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
)

HOSTILE = (
    "<script>alert(1)</script>",
    "</pre></code><img src=x onerror=alert(1)>",
    "\"' onmouseover='x'",
    "&lt;b&gt; &amp;amp; &#x3c;",
    "<!-- --> <![CDATA[ ]]>",
    "</textarea></title></style>",
    "javascript:alert(1)",
)

words = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30),
)
urls = st.one_of(
    st.sampled_from(
        (
            "https://example.org/?a=1&b=2",
            "mailto:ann@example.org",
            'http://x/"><script>',
            "javascript:alert(1)",
            " javascript:alert(1)",
            "data:text/html,x",
        )
    ),
    words,
)


def _nest(inner: st.SearchStrategy[Span]) -> st.SearchStrategy[Span]:
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        several.map(lambda spans: Strong(spans=spans)),
        several.map(lambda spans: Emph(spans=spans)),
        several.map(lambda spans: Strike(spans=spans)),
        st.builds(lambda url, spans: Link(url=url, spans=spans), urls, several),
    )


leaves: st.SearchStrategy[Span] = st.one_of(
    words.map(lambda text: Text(text=text)),
    words.map(lambda text: CodeSpan(text=text)),
    st.just(Break()),
)
spans: st.SearchStrategy[Spans] = st.lists(
    st.recursive(leaves, _nest, max_leaves=4), max_size=3
).map(tuple)

code: st.SearchStrategy[Block] = st.builds(
    lambda language, lines: Code(language=language, text="\n".join(lines)),
    st.one_of(st.just(""), words),
    st.lists(words, max_size=4),
)


@st.composite
def tables(draw: st.DrawFn) -> Block:
    """A table whose rows and alignments fit its header."""
    width = draw(st.integers(1, 3))
    row = st.tuples(*[spans] * width)
    sides = st.sampled_from((None, "left", "center", "right"))
    return Table(
        header=draw(row),
        rows=tuple(draw(st.lists(row, max_size=3))),
        alignments=draw(st.tuples(*[sides] * width)),
    )


simple: st.SearchStrategy[Block] = st.one_of(
    spans.map(lambda found: Paragraph(spans=found)),
    st.builds(lambda level, found: Heading(level=level, spans=found), st.integers(1, 6), spans),
    code,
    tables(),
    st.just(Rule()),
)


def _hold(inner: st.SearchStrategy[Block]) -> st.SearchStrategy[Block]:
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        several.map(lambda blocks: Quote(blocks=blocks)),
        st.builds(
            lambda ordered, start, items, continued: List(
                ordered=ordered, start=start, items=tuple(items), continued=continued
            ),
            st.booleans(),
            st.integers(0, 999),
            st.lists(several, min_size=1, max_size=3),
            st.booleans(),
        ),
    )


blocks: st.SearchStrategy[Blocks] = st.lists(
    st.recursive(simple, _hold, max_leaves=5), max_size=4
).map(tuple)
