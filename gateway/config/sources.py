"""Where configuration text comes from: the file, the environment, secret files, credentials.

This is the only file of the package that reads the disk.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.config.faults import ConfigError, Fault, KeyPath, Wrong

FILE_NAME: Final = "gatepost.toml"
MAX_FILE_BYTES: Final = 1 << 20
MAX_SECRET_BYTES: Final = 1 << 16

_VARIABLE = re.compile(r"\$(\$)?\{([^}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

CREDENTIALS: Final[Mapping[str, KeyPath]] = {
    "web.token": ("web", "token"),
    "telegram.token": ("platforms", "telegram", "token"),
    "telegram.webhook_secret": ("platforms", "telegram", "webhook_secret"),
    "slack.bot_token": ("platforms", "slack", "bot_token"),
    "slack.app_token": ("platforms", "slack", "app_token"),
    "slack.signing_secret": ("platforms", "slack", "signing_secret"),
    "discord.token": ("platforms", "discord", "token"),
    "huggingface.token": ("tools", "huggingface", "token"),
    "web_search.api_key": ("tools", "web_search", "api_key"),
    "transcription.api_key": ("transcription", "api_key"),
}
"""systemd credential names and the keys they fill; entries of lists come on top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misread:
    """A value that could not be fetched from where the file sends us."""

    path: KeyPath
    wrong: Wrong


def find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the file to read: `path`, $GATEPOST_CONFIG, or the first default place that has one.

    The places are `./gatepost.toml`, `~/.config/gatepost/gatepost.toml` and
    `/etc/gatepost/gatepost.toml`. None means embedded defaults.
    """
    if path is not None:
        return path
    if named := environ.get("GATEPOST_CONFIG"):
        return Path(named)
    places = [Path(FILE_NAME), Path("/etc/gatepost") / FILE_NAME]
    if home := environ.get("HOME"):
        places.insert(1, Path(home) / ".config" / "gatepost" / FILE_NAME)
    return next((place for place in places if os.path.lexists(place)), None)


def read_file(path: Path) -> str:
    """Return the text of the configuration file; raises ConfigError with the one fault it has."""

    def refuse(problem: str, fix: str, line: int | None = None) -> ConfigError:
        return ConfigError((Fault(file=path, line=line, key="", problem=problem, fix=fix),))

    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "not a path"
        raise refuse(
            f"cannot be read ({reason.lower()})", "name a readable file with --config"
        ) from exc
    if len(raw) > MAX_FILE_BYTES:
        raise refuse("is larger than 1 MiB", "this is not a configuration file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise refuse("is not UTF-8 text", "save the file as UTF-8", line) from exc


def secret_reader(base_dir: Path, home: str | None) -> Callable[[str], str]:
    """Return the reader of `{ file = "path" }`; relative paths start at `base_dir`."""

    def read(name: str) -> str:
        return _read_secret_file(absolute(name, base_dir, home), shown=name)

    return read


def absolute(name: str, base_dir: Path, home: str | None) -> Path:
    """Return `name` as an absolute path, `~/` and `base_dir` applied, links left alone."""
    if home and (name == "~" or name.startswith("~/")):
        return Path(os.path.normpath(Path(home) / name[2:]))
    return Path(os.path.normpath(base_dir / name))


def _read_secret_file(path: Path, *, shown: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else "not a path"
        raise Wrong(
            f'cannot be read from the file "{shown}" ({reason.lower()})',
            "name a file this account can read",
        ) from exc
    if len(raw) > MAX_SECRET_BYTES:
        raise Wrong(f'names the file "{shown}", which is larger than 64 KiB', "name a secret file")
    return raw.decode("utf-8", "replace").strip()


def with_environment(
    tree: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[dict[str, Any], tuple[Misread, ...]]:
    """Return `tree` with every `${NAME}` in its text replaced; `$${` stands for a plain `${`."""
    misread: list[Misread] = []

    def fetch(value: Any, path: KeyPath) -> Any:
        if isinstance(value, str):
            try:
                return _VARIABLE.sub(lambda match: _variable(match, environ), value)
            except Wrong as wrong:
                misread.append(Misread(path=path, wrong=wrong))
                return value
        if isinstance(value, dict):
            return {key: fetch(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [fetch(item, (*path, index)) for index, item in enumerate(value)]
        return value

    return fetch(tree, ()), tuple(misread)


def _variable(match: re.Match[str], environ: Mapping[str, str]) -> str:
    escaped, name, closed = match.groups()
    if escaped:
        return match[0][1:]
    if not closed or not _NAME.fullmatch(name):
        raise Wrong("has a ${ that begins no variable", "write ${NAME}, or $${ for a plain ${")
    if name not in environ:
        raise Wrong(
            f"needs the environment variable {name}, which is not set",
            f"set {name}, or put the value elsewhere",
        )
    return environ[name]


def with_credentials(
    tree: Mapping[str, Any], directory: Path
) -> tuple[dict[str, Any], tuple[Misread, ...]]:
    """Return `tree` with secrets it leaves out filled from systemd credentials.

    A credential never adds a section: without `[platforms.telegram]` Telegram stays off. A key
    in the file wins over a credential.
    """
    filled: dict[str, Any] = _copied(tree)
    misread: list[Misread] = []
    for name, path in (*CREDENTIALS.items(), *_entry_credentials(tree)):
        table = _table_at(filled, path[:-1])
        file = directory / name
        if table is None or path[-1] in table or not file.exists():
            continue
        try:
            table[str(path[-1])] = _read_secret_file(file, shown=name)
        except Wrong as wrong:
            table[str(path[-1])] = ""
            misread.append(Misread(path=path, wrong=wrong))
    return filled, tuple(misread)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _entry_credentials(tree: Mapping[str, Any]) -> Iterator[tuple[str, KeyPath]]:
    """Those of lists: a provider without keys of its own, a job without times."""
    for table, key, instead in (
        ("providers", "api_key", {"api_keys", "credential"}),
        ("cron", "secret", {"schedule"}),
    ):
        entries = tree.get(table)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            name = entry.get("name") if isinstance(entry, dict) else None
            if (
                isinstance(name, str)
                and re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name)
                and not instead & set(entry)
            ):
                yield f"{table}.{name}.{key}", (table, index, key)


def _table_at(tree: dict[str, Any], path: KeyPath) -> dict[str, Any] | None:
    """Return the table at `path`; `[web]` is made when missing, because it exists by default."""
    if path == ("web",):
        tree.setdefault("web", {})
    here: Any = tree
    for key in path:
        try:
            here = here[key]
        except (KeyError, IndexError, TypeError):
            return None
    return here if isinstance(here, dict) else None
