"""The manual's page of commands, written from the table: `python -m gateway.command_reference`."""

import sys
from typing import Final

from gateway.commands import COMMANDS, Command, who_text

_HEAD: Final = """\
# Commands

<!-- Written by `python -m gateway.command_reference` from the table in gateway/commands.py. -->

No command reaches the model. `now` runs beside an answer in the making; `turn` waits its turn in
the session (`/new` stops what runs first). `/help` lists what its reader may use, `/help NAME`
who may use one; `/unknown` is answered with what is near.

| where | how |
| --- | --- |
| Telegram, web page, terminal | `/name ...` |
| Discord | natively, or `!name ...` |
| Slack | `/gatepost name ...` outside of threads, `!name ...` everywhere |
| everywhere | `!name ...`, and `@bot /name ...` |

Telegram's menus show this table: to administrators of a group what approvers may, to owners in
their direct chat all of it. A word with a second slash (`/etc/hosts`) and an unknown `!word` are
text. Answers in a group are for whoever asked alone where the platform can do that. Approvers and
owners are those of [`[approvals]`](configuration.md) and `[gateway] owners`; a shared session is
a thread, a topic, or a group with `[sessions] group = "shared"`.
"""

_ENGLISH: Final = """
| command | does | who | lane |
| --- | --- | --- | --- |
"""

_GERMAN: Final = """
## In German

Menus of Telegram and Discord and `/help` have these words for whoever uses them in German.

| Befehl | tut |
| --- | --- |
"""

_LANGUAGES: Final = """
## Languages

With `[gateway] language = "auto"`, the default, everybody reads English or German where they alone
read: in direct chats, and in answers to a native command or a button. The language is the one the
platform tells: Telegram's app, Discord's client (with commands and buttons), the Slack profile, the
browser's Accept-Language. What was told last is remembered for whoever is let in, for all their ids
in `[people]`, and holds where a platform tells nothing. A group reads together: English, or what
`language` names. `language = "en"` or `"de"` holds for everybody everywhere.

A card speaks to whoever asked, also in a group; where owners are asked, to the owner whose chat it
is; of a job, to the person it names. It keeps that language for life, so that what somebody has
seen in full stays what they saw. Its buttons are in the card's language; a form, and what a press
is told, in that of whoever pressed. Figures, dates, codes and commands are the same in every
language, and so are a tool's own words about a call and the reasons of the rules.

In both languages: `/help`, refusals, cards, what a press or a decision comes to, the answers of
commands (but for the story `/why` tells), what strangers and askers read, the signs of a busy
session, what stands under an answer or in its place, and what owners are asked or told about
people, chats, cards and money. In English only: what is said after a restart or a failed delivery,
what ends a turn by itself, notices to owners about connections, keys and jobs, the web pages, the
command line, the log and the audit. The model reads English from us and answers in whatever
language it is written to.
"""

_TAIL: Final = """
## More about some

- `/stop all` also withdraws what waits. Given in a chat, not in the thread it is about, it stops
  what its giver asked for there; of an approver who asked for nothing there, what others asked
  for.
- `/continue` goes on after the newest answer, for instance after a limit: what was done is done,
  and nothing is repeated. `/retry` answers the newest words again instead.
- `/busy join` (words written meanwhile join the answer), `queue` (they wait for their own),
  `interrupt` (the answer begins anew with them) holds for this session; `default` goes back to
  `[sessions] busy`.
- `/export` sends the newest 5,000 messages, at most 4 MB, as a file: Markdown for reading, JSON
  for programs; asked for in a group it comes in the direct chat. Files people sent are named, not
  included. Owners may add a session's key (`/whoami` shows it).
- `/forget` asks twice, then deletes what was said in this chat's sessions, also before `/new`,
  what tools were given and what cards showed. Payload files go with the next daily pass. How each
  turn went, decisions, the ledger and the audit stay for their time, as does what stands in the
  chat itself and what was put into the agent's memory. In a shared thread, where it is for owners,
  commands of everybody go too, and what was said there without turning to the bot.
- `/why` takes the ids that messages show (`e12`, `t5`, `ref t5`), a card's code, or a place such
  as `telegram:-100200/55`.
"""


def command_page() -> str:
    """The whole page."""
    return "".join(
        (
            _HEAD,
            _ENGLISH,
            *(f"| {_usage(c)} | {c.summary} | {who_text(c)} | {c.lane} |\n" for c in COMMANDS),
            _GERMAN,
            *(f"| `/{c.name}` | {c.german} |\n" for c in COMMANDS),
            _LANGUAGES,
            _TAIL,
        )
    )


def _usage(command: Command) -> str:
    return f"`/{command.name} {command.args}`".replace(" `", "`").replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(command_page())
