"""What the manual tells people to type and to write is valid; its links lead somewhere."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.core
import typer.main

from gateway.cli.commands import app
from gateway.config import ConfigError, load

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^(?:    )+(?:\$ )?((?:\.venv/bin/)?gatepost |make )(.*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
REFERENCES = ("configuration.md", "commands.md", "contract.md", "limits.md")
"""Written by `make docs`, and held by tests of their own."""

PREFIXES = {"SLACK_APP": "xapp-1-", "SLACK_SIGNING": "", "SLACK": "xoxb-1-", "TELEGRAM_W": ""}
SECTIONS = {
    "[platforms.slack]": 'bot_token = "xoxb-1-2-c"\napp_token = "xapp-1-A-2-b"',
    "[platforms.telegram]": 'token = "7000000001:AA"',
}
ALTERNATIVES = {("mcp.md", 'tool = "mcp:tickets'), ("models.md", "api_keys")}
"""Blocks that show what can be written one instead of the other, or beside a server above."""


def blocks(page: Path, *kinds: str) -> Iterator[str]:
    """The fenced blocks of these kinds."""
    for found in BLOCK.finditer(page.read_text()):
        if found[2] in kinds:
            yield re.sub(f"^{found[1]}", "", found[3], flags=re.MULTILINE)


def cases(*kinds: str) -> list[tuple[str, str]]:
    return [(page.name, block) for page in PAGES for block in blocks(page, *kinds)]


def value_of(name: str) -> str:
    """Something of the right shape for a variable of the environment."""
    prefix = next((each for part, each in PREFIXES.items() if name.startswith(part)), "7:")
    return f"{prefix}{name.replace('_', '-')}".ljust(40, "x")


@pytest.mark.parametrize(("page", "block"), cases("toml"))
def test_what_is_written_into_the_file_loads(page: str, block: str, tmp_path: Path) -> None:
    """Each block by itself, with the section of a platform added where it only speaks of one."""
    if any(page == name and part in block for name, part in ALTERNATIVES):
        pytest.skip("shows alternatives")
    environ = {name: value_of(name) for name in re.findall(r"\$\{(\w+)\}", block)}
    file = tmp_path / "gatepost.toml"
    wanting = [
        f"{section}\n{keys}"
        for section, keys in SECTIONS.items()
        if section not in block and f'"{section[11:-1]}:' in block
    ]
    if "[access]" not in block and (chats := re.findall(r'^deliver = ("\w+:.*?")', block, re.M)):
        wanting.append(f"[access]\nchats = [{', '.join(chats)}]")
    file.write_text("\n".join([block, *wanting]))
    try:
        load(file, environ)
    except ConfigError as error:
        pytest.fail(f"{page}: {error}")


def lines() -> Iterator[tuple[str, str]]:
    """Every line of the manual that calls us or make, without its comment."""
    for page in PAGES:
        if page.name in REFERENCES:
            continue
        shell = "\n".join(f"    {line}" for b in blocks(page, "sh") for line in b.splitlines())
        for found in INDENTED.finditer(f"{page.read_text()}\n{shell}"):
            typed = re.split(r"\s{2,}", found[2])[0]  # what stands beside it says the same
            yield page.name, f"{found[1].removeprefix('.venv/bin/')}{typed}"


@pytest.mark.parametrize(("page", "line"), sorted(set(lines())))
def test_what_is_typed_is_understood(page: str, line: str) -> None:
    """The command exists and takes these arguments and options; nothing is run."""
    program, *arguments = shlex.split(line, comments=True)
    if program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert next(word for word in arguments if not word.startswith("-")) in targets
        return
    command = typer.main.get_command(app)
    while isinstance(command, typer.core.TyperGroup) and arguments:
        name, *arguments = arguments
        assert name in command.commands, f"{page}: there is no {line!r}"
        command = command.commands[name]
    command.make_context(program, arguments)


def anchors(page: Path) -> set[str]:
    """Headings as GitHub makes addresses of them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file of this repository, and to a heading that stands there."""
    for target in LINK.findall(page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name}: {target}"
