"""The approvals pages over HTTP, as a browser without script uses them."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from html import unescape

import aiohttp
import pytest

from gateway.card_view import arguments_of, snapshots_of
from gateway.shown import decoded
from gateway.web.approvals import CardPage, Choice
from gateway.web.approvals_site import MALFORMED, NO_CARD, UNREADABLE, UNSTORED, USED
from gateway.web.one_time import FORM_LIFE_S
from tests.gateway.card_cases import CARD, IN_DOUBT, JOB, LIMIT, QUESTION
from tests.gateway.web.desk import NOW, PAGE, SCRIPT, Act, Pages, StandInDesk, running_pages

TOKEN = "open-sesame"


class Browser:
    """Follows links and sends the forms it was given; there is no script anywhere here."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self.html = ""
        self.url = ""
        self.status = 0

    async def open(self, path: str) -> None:
        """Load a page."""
        async with self._pages.client.get(path) as answer:
            await self._took(answer)

    async def send(self, fields: dict[str, str], path: str = "/approvals/K7Q2F") -> None:
        """Send a form, redirects followed."""
        async with self._pages.client.post(path, data=fields) as answer:
            await self._took(answer)

    async def _took(self, answer: aiohttp.ClientResponse) -> None:
        self.html, self.url, self.status = await answer.text(), str(answer.url.path), answer.status

    def forms(self) -> list[tuple[str, dict[str, str]]]:
        """Each form's last button and its hidden fields, in the order of the Tab key."""
        found = []
        for form in re.findall(
            r'<form method="post" action="/approvals.*?</form>', self.html, re.S
        ):
            fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form)
            label = re.findall(r"<button[^>]*>([^<]*)</button>", form)[-1]
            found.append((unescape(label), {name: unescape(value) for name, value in fields}))
        return found

    def form(self, action: str) -> dict[str, str]:
        """The hidden fields of the form with that action."""
        return next(fields for _, fields in self.forms() if fields["action"] == action)


async def test_the_queue_says_what_waits() -> None:
    """Code, tool, at most, who asked, where, closes in; an unknown price is no number."""
    async with running_pages() as pages:
        browser = Browser(pages)
        await browser.open("/approvals")
        assert browser.status == 200
        rows = re.findall(r"<tr>.*?</tr>", browser.html, re.S)[1:]
        texts = [re.sub(r"<[^>]+>", "|", row) for row in rows]
        first = [word for word in texts[0].split("|") if word]
        assert first == [
            "K7Q2F",
            "hf_jobs run",
            "1 x A100 80 GB (a100-large), stopped after 45 min",
            "$2.09",
            "Dana",
            "#ml on Slack",
            "51 min",
        ]
        assert "price unknown" in texts[1]
        assert "23 h 2 min" in texts[1]
        assert "Question" in texts[2]
        assert "waits behind others" in texts[2]
        assert 'href="/approvals/K7Q2F"' in browser.html
        assert pages.desk.viewers == {"web:local"}


async def test_an_empty_queue_says_what_will_stand_here() -> None:
    """Nobody looks at an empty table."""
    async with running_pages(StandInDesk(queue=())) as pages:
        browser = Browser(pages)
        await browser.open("/approvals")
        assert "Nothing waits for a decision" in browser.html
        assert "its card stands here until somebody decides" in browser.html
        assert "<table" not in browser.html


async def test_a_card_has_the_lines_of_the_chat() -> None:
    """The title, each line with its label, the model's words, what a decision does."""
    async with running_pages() as pages:
        browser = Browser(pages)
        await browser.open("/approvals/K7Q2F")
        assert "<strong>Approval K7Q2F: hf_jobs run</strong></h1>" in browser.html
        labels = re.findall(r'<th scope="row">([^<]*)</th>', browser.html)
        assert labels == [
            "Payer",
            "At most",
            "Budget",
            "Flags",
            "Decides",
            "Arguments",
            "Where",
        ]
        assert "the model asked for acme-prod" in browser.html
        assert "Model says (not checked)" in browser.html
        assert "Approve: runs once, exactly as shown." in browser.html


async def test_all_that_runs_stands_on_the_page() -> None:
    """However long it is, what is shown decodes to the very bytes, and it is cut off from words
    around it in direction too.
    """
    arguments = '{"text":"' + "a\u202eb<script>alert(1)</script>\U000e0041 " * 3_000 + '"}'
    script = ("print('\u05d0\u05d1')\r\n" * 2_000).encode()
    job = replace(
        JOB, arguments=arguments_of(arguments), snapshots=snapshots_of({"train.py": script})
    )
    desk = StandInDesk(pages={"K7Q2F": replace(PAGE, view=replace(CARD, items=(job,)))})
    async with running_pages(desk) as pages:
        browser = Browser(pages)
        await browser.open("/approvals/K7Q2F")
        # The last one is the draft of a rule.
        fences = re.findall(r"<pre([^>]*)><code>(.*?)</code></pre>", browser.html, re.S)[:-1]
        assert all('dir="ltr"' in attributes for attributes, _ in fences)
        shown = [unescape(text) for _, text in fences]
        assert [decoded(text) for text in shown] == [arguments, script.decode()]
        assert "not shown here" not in browser.html
        assert "Show all" not in browser.html


async def test_deny_stands_before_approve() -> None:
    """Whatever order the desk asked for, consent is not the first thing to be pressed."""
    async with running_pages() as pages:
        browser = Browser(pages)
        await browser.open("/approvals/K7Q2F")
        labels = [label for label, _ in browser.forms()]
        assert labels[:2] == ["Deny", "Approve once, at most $2.09"]
        await browser.open("/approvals/M3X9P")
        labels = [label for label, _ in browser.forms()]
        assert (
            labels == ["Deny all", "Approve all, at most $2.33"] + ["Deny", "Approve this one"] * 3
        )


async def test_a_press_says_what_became_of_it_once() -> None:
    """The act reaches the desk with the rev that was looked at; its sentence is shown once."""
    async with running_pages() as pages:
        browser = Browser(pages)
        await browser.open("/approvals/K7Q2F")
        await browser.send(browser.form("deny"))
        assert (browser.status, browser.url) == (200, "/approvals/K7Q2F")
        assert "Denied. The model is told." in browser.html
        assert "Denied by you" in browser.html
        assert browser.forms() == []
        assert pages.desk.acts == [
            Act(code="K7Q2F", rev=3, action="deny", values={}, by="web:local")
        ]
        await browser.open("/approvals/K7Q2F")
        assert "The model is told." not in browser.html.split("<table")[0]


async def test_what_is_filled_in_arrives_to_the_letter() -> None:
    """Line ends, tabs and blanks of a script, and what the choice itself carries."""
    async with running_pages() as pages:
        browser = Browser(pages)
        await browser.open("/approvals/K7Q2F")
        area = re.search(
            r'<textarea name="field.script"[^>]*>\n(.*?)</textarea>', browser.html, re.S
        )
        assert area
        assert unescape(area[1]) == SCRIPT
        sent = SCRIPT.replace("range(3)", "range(9)").replace("\n", "\r\n")
        fields = {**browser.form("edit"), "field.script": sent, "field.timeout": "1h"}
        await browser.send(fields)
        await browser.send(browser.form("payer"))
        assert [act.values for act in pages.desk.acts] == [
            {"script": SCRIPT.replace("range(3)", "range(9)"), "timeout": "1h"},
            {"payer": "acme-prod"},
        ]


async def test_a_form_posted_twice_counts_once() -> None:
    """Also another form of the same page: one page view, one act."""
    async with running_pages() as pages:
        browser = Browser(pages)
        await browser.open("/approvals/K7Q2F")
        payer, approve = browser.form("payer"), browser.form("approve")
        await browser.send(payer)
        for again in (payer, approve):
            await browser.send(again)
            assert browser.status == 403
            assert USED in unescape(browser.html)
        assert len(pages.desk.acts) == 1
        await browser.send(browser.form("approve"))
        assert [act.action for act in pages.desk.acts] == ["payer", "approve"]


async def test_a_form_from_elsewhere_does_nothing() -> None:
    """No token, one of another card, one of another browser, an old one, a foreign page."""
    clock = [NOW]
    async with running_pages(now=lambda: clock[0]) as pages:
        browser = Browser(pages)
        await browser.open("/approvals/M3X9P")
        batch = browser.form("approve_all")
        await browser.open("/approvals/K7Q2F")
        approve = browser.form("approve")
        await browser.send({**approve, "token": ""})
        await browser.send({**approve, "token": batch["token"]})
        async with (
            aiohttp.ClientSession(pages.url) as other,
            other.post("/approvals/K7Q2F", data=approve) as answer,
        ):
            assert answer.status == 403
        foreign = {"Origin": "http://evil.example"}
        async with pages.client.post("/approvals/K7Q2F", data=approve, headers=foreign) as answer:
            assert answer.status == 403
        assert pages.desk.acts == []
        clock[0] += timedelta(seconds=FORM_LIFE_S + 1)
        await browser.send(approve)
        assert browser.status == 403
        assert pages.desk.acts == []


async def test_words_survive_a_form_that_did_not_count() -> None:
    """After a restart nobody's token is known any more; what was typed is still there."""
    desk = StandInDesk()
    async with running_pages(desk) as before:
        browser = Browser(before)
        await browser.open("/approvals/K7Q2F")
        fields = {**browser.form("edit"), "field.script": "long <work>", "field.timeout": "2h"}
    async with running_pages(desk) as after:
        browser = Browser(after)
        await browser.send(fields)
        assert browser.status == 403
        assert "\nlong &lt;work&gt;</textarea>" in browser.html
        assert 'value="2h"' in browser.html
        assert '<details class="fold menu" open>' in browser.html
        assert desk.acts == []


async def test_a_store_that_is_away_says_so() -> None:
    """Reading: 503 and when to come again. Writing: the card and the words stay."""
    desk = StandInDesk()
    async with running_pages(desk) as pages:
        browser = Browser(pages)
        await browser.open("/approvals/K7Q2F")
        desk.storable = False
        words = {**browser.form("edit"), "field.script": "mine", "field.timeout": "1h"}
        await browser.send(words)
        assert browser.status == 503
        assert UNSTORED in unescape(browser.html)
        assert "\nmine</textarea>" in browser.html
        desk.readable = False
        for path in ("/approvals", "/approvals/K7Q2F"):
            await browser.open(path)
            assert browser.status == 503
            assert UNREADABLE in unescape(browser.html)


@pytest.mark.parametrize(
    "change", [{"rev": "x"}, {"rev": ""}, {"rev": "-1"}, {"rev": "\u0663"}, {"rev": "9" * 10}]
)
async def test_what_is_none_of_our_forms_is_refused(change: dict[str, str]) -> None:
    """A rev that is no number was never on a page."""
    async with running_pages() as pages:
        browser = Browser(pages)
        await browser.open("/approvals/K7Q2F")
        await browser.send({**browser.form("approve"), **change})
        assert browser.status == 400
        assert MALFORMED in unescape(browser.html)
        assert pages.desk.acts == []


@pytest.mark.parametrize("code", ["NOPE1", "k7q2f", "0", "ZZZZZZZZZZZZ"])
async def test_a_code_nobody_has(code: str) -> None:
    """A 404 that says so, with the way back; nothing is told of cards of others."""
    async with running_pages() as pages:
        browser = Browser(pages)
        await browser.open(f"/approvals/{code}")
        assert browser.status == 404
        assert NO_CARD in unescape(browser.html)
        await browser.open("/approvals/%3Cscript%3E")
        assert browser.status == 404
        assert "<script>" not in browser.html


async def test_only_what_the_desk_hands_out_is_shown() -> None:
    """A draft of a rule and choices are there if the desk gave them, and not else."""
    bare = CardPage(view=CARD, rev=1)
    async with running_pages(StandInDesk(pages={"K7Q2F": bare})) as pages:
        browser = Browser(pages)
        await browser.open("/approvals/K7Q2F")
        assert "[[policy]]" not in browser.html
        assert browser.forms() == []
    async with running_pages() as pages:
        browser = Browser(pages)
        await browser.open("/approvals/K7Q2F")
        assert "[[policy]]" in browser.html


@pytest.mark.parametrize(
    ("view", "title"),
    [(QUESTION, "Question"), (LIMIT, "Limit"), (IN_DOUBT, "In doubt")],
    ids=["question", "limit", "in_doubt"],
)
async def test_every_kind_of_card_has_a_page(view: object, title: str) -> None:
    """Questions, limits and calls in doubt are cards like others."""
    page = replace(PAGE, view=view, choices=(Choice(action="go", label="Go"),))  # type: ignore[arg-type]
    async with running_pages(StandInDesk(pages={"K7Q2F": page})) as pages:
        browser = Browser(pages)
        await browser.open("/approvals/K7Q2F")
        assert browser.status == 200
        assert f"<h1><strong>{title} " in browser.html
        assert [label for label, _ in browser.forms()] == ["Go"]


async def test_the_pages_are_behind_the_token() -> None:
    """Signed out one is asked for it, and comes back to where one wanted to go."""
    async with running_pages(token=TOKEN) as pages:
        html = {"Accept": "text/html"}
        for path in ("/approvals", "/approvals/K7Q2F", "/spend"):
            async with pages.client.get(path, headers=html, allow_redirects=False) as answer:
                assert answer.headers["Location"] == f"/login?goal={path}"
            form = {"token": TOKEN, "goal": path}
            async with pages.client.post("/login", data=form, allow_redirects=False) as answer:
                assert answer.headers["Location"] == path
            pages.client.cookie_jar.clear()
        async with pages.client.post("/approvals/K7Q2F", data={"rev": "1"}) as answer:
            assert answer.status == 401
        assert pages.desk.viewers == set()


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(), "any moment"),
        (timedelta(seconds=59), "under a minute"),
        (timedelta(seconds=119), "1 min"),
        (timedelta(hours=1), "1 h"),
        (timedelta(hours=47, minutes=59), "47 h 59 min"),
        (timedelta(days=3), "3 days"),
    ],
)
async def test_time_left_is_rounded_down(left: timedelta, words: str) -> None:
    """Nobody should count on time that is not there."""
    line = replace(StandInDesk().queue[0], closes_at=_later(left))
    async with running_pages(StandInDesk(queue=(line,))) as pages:
        browser = Browser(pages)
        await browser.open("/approvals")
        assert f'<td data-name="Closes in">{words}</td>' in browser.html


def _later(left: timedelta) -> datetime:
    return NOW + left
