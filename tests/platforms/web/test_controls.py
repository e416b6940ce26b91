"""Buttons, menus, questions and forms as HTML that works without script."""

import re

import pytest

from platforms.content import Button, Field, Form, Menu
from platforms.web.controls import Filling, controls_html, form_html, in_keyboard_order
from platforms.web.limits import CAPABILITIES, FIELD_MAX, NOTICE_MAX

APPROVE = Button(label="Approve once, at most $2.09", payload="a", style="primary")
DENY = Button(label="Deny", payload="d", style="danger")
ALL = Button(label="Show all", payload="s")
WEIGHTY = Button(label="Approve", payload="a", confirm="It cannot be undone. Go on?")
MORE = Menu(label="More", options=(Button(label="Edit", payload="fe"), WEIGHTY))


def buttons(html: str) -> list[str]:
    """The payloads in the order in which the Tab key meets them."""
    return re.findall(r'<button [^>]*value="([^"]*)"', html)


@pytest.mark.parametrize(
    ("row", "order"),
    [
        ((APPROVE, DENY, ALL), (DENY, APPROVE, ALL)),
        ((WEIGHTY, DENY, ALL), (DENY, WEIGHTY, ALL)),
        ((DENY, APPROVE), (DENY, APPROVE)),
        ((APPROVE,), (APPROVE,)),
        ((MORE, APPROVE, ALL), (ALL, MORE, APPROVE)),
        ((), ()),
    ],
)
def test_consent_is_never_met_first(
    row: tuple[Button | Menu, ...], order: tuple[Button | Menu, ...]
) -> None:
    """Deny stands before Approve, whatever order the gateway asked for."""
    assert in_keyboard_order(row) == order


def test_a_menu_and_a_question_fold_out() -> None:
    """Every option is a submit button of the same form; a question stands before its own."""
    html = controls_html(((APPROVE, DENY, ALL), (MORE,)), "m1", "c", None) or ""
    assert buttons(html) == ["d", "a", "s", "fe", "a"]
    assert html.count("<form") == 1
    fold = html[html.index('<details class="fold menu">') :]
    assert "<summary" in fold
    assert fold.index("cannot be undone") < fold.index('value="a"')
    assert "open" not in re.findall(r"<details[^>]*>", html)[0]


def test_a_form_keeps_its_text_to_the_letter() -> None:
    """A line end at the beginning is not eaten, markup is text, a second line makes a text area."""
    fields = (
        Field(name="a", label="<A>", text="\n</textarea><b>", multiline=True, max_length=9),
        Field(name="b", label="B", text='"x" & y', required=False),
        Field(name="c", label="C", text="two\nlines"),
    )
    form = Form(id="f:1", title="<i>", fields=fields, submit="Save")
    html = form_html(Filling(card="m1", form=form), "c", None)
    assert "<textarea" in html
    assert ">\n\n&lt;/textarea&gt;&lt;b&gt;</textarea>" in html
    assert 'value="&quot;x&quot; &amp; y"' in html
    assert html.count("<textarea") == 2
    assert html.count(" required") == 2
    assert 'maxlength="9"' in html
    # Enter in a field presses the first button, which must not be the one that cancels.
    assert html.index("Save") < html.index('name="close"')
    assert "<b>" not in html
    assert "<i>" not in html


def test_what_the_page_can_do_is_declared() -> None:
    """The gateway lays a card out by these."""
    assert CAPABILITIES.form == "page"
    assert CAPABILITIES.form_field_max == FIELD_MAX
    assert CAPABILITIES.menu_options >= 5
    assert CAPABILITIES.confirm
    assert CAPABILITIES.private_max == NOTICE_MAX
