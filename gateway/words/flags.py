"""Why a person should look: risk tags, names that are not what they seem, what a turn has read."""

from collections.abc import Mapping
from typing import Final

from gateway.words.phrase import Phrase

PAID: Final = Phrase(en="paid", de="kostet Geld")
DESTRUCTIVE: Final = Phrase(en="destructive", de="zerstörend")
RECURRING: Final = Phrase(en="recurring", de="wiederkehrend")
OUTWARD: Final = Phrase(en="outward", de="nach außen")
TAINTED: Final = Phrase(en="tainted", de="unter fremdem Einfluss")
UNDECLARED: Final = Phrase(en="undeclared", de="nicht erklärt")
NOBODY_DECLARED: Final = Phrase(
    en="nobody has declared what it does",
    de="niemand hat erklärt, was es tut",
)
HOST_NOT_ASCII: Final = Phrase(en="host is not ASCII", de="Host ist nicht ASCII")
PATH_NOT_ASCII: Final = Phrase(en="path is not ASCII", de="Pfad ist nicht ASCII")
EXECUTABLE_NOT_ASCII: Final = Phrase(en="executable is not ASCII", de="Programm ist nicht ASCII")
PAYER_NOT_ASCII: Final = Phrase(en="payer is not ASCII", de="Zahler ist nicht ASCII")
REPOSITORY_NOT_ASCII: Final = Phrase(
    en="repository is not ASCII",
    de="Repository ist nicht ASCII",
)
NAME_BEFORE_HOST: Final = Phrase(
    en="a name before the host",
    de="ein Name vor dem Host",
)

NAMED: Final[Mapping[str, Phrase]] = {
    each.en: each
    for each in (
        PAID,
        DESTRUCTIVE,
        RECURRING,
        OUTWARD,
        TAINTED,
        UNDECLARED,
        HOST_NOT_ASCII,
        PATH_NOT_ASCII,
        EXECUTABLE_NOT_ASCII,
        PAYER_NOT_ASCII,
        REPOSITORY_NOT_ASCII,
        NAME_BEFORE_HOST,
    )
}
"""What a flag is called, by its name in the rules. A tool's own warning is said as it is."""

HOST: Final = Phrase(en="host", de="Hostname")
PATH: Final = Phrase(en="path", de="Pfad")
EXECUTABLE: Final = Phrase(en="executable", de="Programmname")
PAYER: Final = Phrase(en="payer", de="Name des Zahlers")
REPOSITORY: Final = Phrase(en="repository", de="Name des Repositorys")

NAMES: Final[Mapping[str, Phrase]] = {
    each.en: each for each in (HOST, PATH, EXECUTABLE, PAYER, REPOSITORY)
}

HIDDEN: Final = Phrase(
    en="The {named} holds what nobody can see or read: {signs}.",
    de="Der {named} enthält, was niemand sehen oder lesen kann: {signs}.",
)
NO_PART_OF_HOST: Final = Phrase(
    en="{name} is no part of the host {host}",
    de="{name} gehört nicht zum Host {host}",
)
ON_THE_WIRE: Final = Phrase(en="{host} is {wire}: {letters}", de="{host} heißt {wire}: {letters}")
READS: Final = Phrase(en="{host} reads {name}: {letters}", de="{host} liest sich {name}: {letters}")
MORE_LETTERS: Final = Phrase(en=" and {count} more", de=" und {count} weitere")

WEB_PAGE: Final = Phrase(en="web page", de="Webseite")
WEB_PAGES: Final = Phrase(en="web pages", de="Webseiten")
RESULTS: Final = Phrase(en="search results", de="Suchergebnisse")
FILE: Final = Phrase(en="file", de="Datei")
FILES: Final = Phrase(en="files", de="Dateien")
HUB_FILE: Final = Phrase(en="Hub file", de="Datei vom Hub")
HUB_FILES: Final = Phrase(en="Hub files", de="Dateien vom Hub")
COMMAND_OUTPUT: Final = Phrase(en="command output", de="Ausgabe eines Befehls")
COMMAND_OUTPUTS: Final = Phrase(en="command outputs", de="Ausgaben von Befehlen")
SANDBOX_OUTPUT: Final = Phrase(en="sandbox output", de="Ausgabe der Sandbox")
SANDBOX_OUTPUTS: Final = Phrase(en="sandbox outputs", de="Ausgaben der Sandbox")
MCP_RESULT: Final = Phrase(en="MCP result", de="MCP-Ergebnis")
MCP_RESULTS: Final = Phrase(en="MCP results", de="MCP-Ergebnisse")
MEMORY: Final = Phrase(en="memory", de="Gedächtnis")
OWN_TOOLS: Final = Phrase(
    en="results of an agent's own tools",
    de="Ergebnisse eigener Werkzeuge eines Agenten",
)
QUOTED: Final = Phrase(en="quoted text", de="zitierter Text")
FORWARDED: Final = Phrase(en="forwarded text", de="weitergeleiteter Text")
BEFORE: Final = Phrase(
    en="earlier messages of the chat",
    de="frühere Nachrichten des Chats",
)
ATTACHED: Final = Phrase(en="attached files", de="angehängte Dateien")
WORDS_OF: Final = Phrase(en="words of {name}", de="Worte von {name}")

ONE: Final[Mapping[str, Phrase]] = {
    each.en: each
    for each in (
        WEB_PAGE,
        RESULTS,
        FILE,
        HUB_FILE,
        COMMAND_OUTPUT,
        SANDBOX_OUTPUT,
        MCP_RESULT,
        MEMORY,
        OWN_TOOLS,
        QUOTED,
        FORWARDED,
        BEFORE,
        ATTACHED,
    )
}
"""What a turn has read, by how its row names it; a tool's own word is said as it is."""

SEVERAL: Final[Mapping[str, Phrase]] = {
    each.en: each
    for each in (
        WEB_PAGES,
        RESULTS,
        FILES,
        HUB_FILES,
        COMMAND_OUTPUTS,
        SANDBOX_OUTPUTS,
        MCP_RESULTS,
    )
}
"""The same behind a number."""

EARLIER: Final = Phrase(
    en="earlier in this session: {what}",
    de="früher in dieser Sitzung: {what}",
)
READ: Final = Phrase(en="{what} read", de="gelesen: {what}")
READ_EARLIER: Final = Phrase(en="read {what}", de="gelesen {what}")
