"""HTML that is escaped by construction: what is not `Html` is text.

Pure. Nothing else in this folder joins markup by hand, so there is one place to read.
"""

from collections.abc import Mapping
from html import escape

VOID_TAGS = frozenset({"br", "hr", "img", "input", "link", "meta"})
"""Elements without content or end tag."""


class Html(str):
    """A string that is markup already; only this module and constants make one."""

    __slots__ = ()


Attributes = Mapping[str, str | bool | None]
Child = str | None


def el(tag: str, attributes: Attributes | None = None, *children: Child) -> Html:
    """One element. Plain strings are escaped; None children and None or False attributes vanish."""
    start = f"<{tag}{_attributes(attributes or {})}>"
    if tag in VOID_TAGS:
        return Html(start)
    return Html(f"{start}{join(*children)}</{tag}>")


def join(*children: Child) -> Html:
    """Children one after the other, those that are text escaped."""
    return Html("".join(_child(child) for child in children))


def _child(child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Html) else escape(child, quote=False)


def _attributes(attributes: Attributes) -> str:
    parts = []
    for name, value in attributes.items():
        if value is True:
            parts.append(f" {name}")
        elif isinstance(value, str):
            parts.append(f' {name}="{escape(value)}"')
    return "".join(parts)
