"""Who may import whom, read from the import statements themselves.

import-linter holds the two lines between the packages; here stand the rules that are about kinds
of files, so that a new platform or a new pure module is under them from its first line.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("gateway", "platforms", "agent")
SHARED_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "misc"}

# What decides must be testable without a loop, a clock or a network: no shell, no SDK.
IMPURE = {
    "asyncio",
    "concurrent",
    "logging",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "selectors",
    "signal",
    "socket",
    "subprocess",
    "threading",
    "time",
    "aiohttp",
    "aiosqlite",
    "discord",
    "httpx",
    "openai",
    "slack_bolt",
    "slack_sdk",
    "sqlite3",
    "telegram",
    "uvloop",
}
PURE = (
    "gateway/admission.py",
    "gateway/card.py",
    "gateway/commands.py",
    "gateway/mailbox.py",
    "gateway/render.py",
    "platforms/blocks.py",
    "platforms/commonmark.py",
    "platforms/content.py",
    "platforms/events.py",
    "platforms/fields.py",
    "platforms/links.py",
    "platforms/markup.py",
    "platforms/measure.py",
    "platforms/monospace.py",
    "platforms/pacing.py",
    "platforms/prefix.py",
    "platforms/schedule.py",
    "platforms/text.py",
    "platforms/*/format.py",
    "platforms/*/limits.py",
    "platforms/*/parse.py",
    "agent/compaction.py",
    "agent/costs.py",
    "agent/events.py",
    "agent/failover.py",
    "agent/guards.py",
    "agent/history.py",
    "agent/messages.py",
    "agent/policy.py",
    "agent/providers/attempt.py",
    "agent/providers/bounds.py",
    "agent/providers/classify.py",
    "agent/providers/retry_after.py",
    "agent/providers/openai_chat/reply.py",
    "agent/providers/openai_chat/request.py",
    "agent/tools/arguments.py",
    "agent/recovery.py",
    "agent/turn.py",
    "agent/providers/sse.py",
)
# A folder's SDK is imported by its client, and by what only hands the SDK's own types to it.
SDKS = {"discord": "discord", "telegram": "telegram", "slack_bolt": "slack", "slack_sdk": "slack"}


def modules() -> list[Path]:
    """Return every source file of the three packages."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text(), filename=str(path))


def imports(path: Path, *, typing_too: bool = False) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every module a file imports, wherever in it.

    Imports for types alone cost nothing at run time and are left out unless asked for.
    """
    skipped: set[ast.AST] = set()
    for node in ast.walk(parsed(path)):
        for child in () if typing_too else _for_types_only(node):
            skipped.update(ast.walk(child))
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the import from its package"
            yield node.lineno, str(node.module)
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _for_types_only(node: ast.AST) -> list[ast.stmt]:
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return node.body
    return []


def is_pure(path: Path) -> bool:
    """Whether a file is on the list, or calls itself pure or sans-IO in its first line."""
    docstring = ast.get_docstring(parsed(path)) or ""
    first = docstring.partition("\n")[0].lower()
    return first.startswith(("pure", "sans-io")) or any(
        path.relative_to(ROOT).match(pattern) for pattern in PURE
    )


def names(paths: list[Path]) -> list[str]:
    """Return test ids."""
    return [str(path.relative_to(ROOT)) for path in paths]


MODULES = modules()
PURE_MODULES = [path for path in MODULES if is_pure(path)]


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_packages_keep_to_their_side(path: Path) -> None:
    """`platforms` and `agent` know neither each other nor `gateway`; nothing knows the tests."""
    package = path.relative_to(ROOT).parts[0]
    mine = set(PACKAGES) if package == "gateway" else {package}
    foreign = {*PACKAGES, "tests", "benchmarks"} - mine
    found = [
        f"line {line}: {name}"
        for line, name in imports(path, typing_too=True)
        if name.split(".")[0] in foreign
    ]
    assert found == []


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_platforms_do_not_know_each_other(path: Path) -> None:
    """What two platforms share moves up to `platforms`; its shared files know no platform."""
    parts = path.relative_to(ROOT).parts
    if parts[0] != "platforms":
        return
    folders = {folder.name for folder in (ROOT / "platforms").iterdir() if folder.is_dir()}
    own = parts[1] if len(parts) > 2 else None
    found = [
        f"line {line}: {name}"
        for line, name in imports(path, typing_too=True)
        if name.split(".")[0] == "platforms"
        and len(name.split(".")) > 1
        and name.split(".")[1] in folders - {own}
    ]
    assert found == []


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_an_sdk_stays_in_its_platform(path: Path) -> None:
    """A chat SDK is imported below its platform's folder and nowhere else."""
    parts = path.relative_to(ROOT).parts
    found = [
        f"line {line}: {name}"
        for line, name in imports(path, typing_too=True)
        if (folder := SDKS.get(name.split(".")[0])) and parts[:2] != ("platforms", folder)
    ]
    assert found == []


@pytest.mark.parametrize("path", PURE_MODULES, ids=names(PURE_MODULES))
def test_pure_modules_import_no_shell(path: Path) -> None:
    """A pure file imports no loop, clock, chance, log, disk, network or SDK."""
    found = [f"line {line}: {name}" for line, name in imports(path) if name.split(".")[0] in IMPURE]
    assert found == []


def test_no_module_is_named_for_nothing() -> None:
    """What belongs nowhere needs a noun that has not been found yet."""
    assert [
        path for path in names(MODULES) if {*Path(path).with_suffix("").parts} & SHARED_NAMES
    ] == []


def test_no_module_hides_the_standard_library() -> None:
    """A package of ours at the top level must not be what `import NAME` already means."""
    assert not set(PACKAGES) & set(sys.stdlib_module_names)
