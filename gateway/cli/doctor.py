"""`gatepost doctor`: everything that can be checked from here, and what to do about it."""

import asyncio
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from gateway.cli import desk_findings, findings
from gateway.cli.asking import NotRunning, Refused, ask
from gateway.cli.findings import Finding, Severity
from gateway.cli.place import state_dir
from gateway.cli.status import age, look
from gateway.clock import SystemClock
from gateway.config import (
    LOCAL_SERVERS,
    Config,
    ConfigError,
    LocalModel,
    advice,
    choose_providers,
    configured_platforms,
    load,
    wants_local_probe,
)
from gateway.control_requests import Examine
from gateway.errors import StoreError
from gateway.store import examine as store
from gateway.store import lock
from gateway.store.backup import noted
from gateway.store.directory import DATABASE

_CREDENTIALS = (
    "where systemd gives it, run this with CREDENTIALS_DIRECTORY=/run/credentials/gatepost.service"
)
EXAMINE_WITHIN_S = store.EXAMINE_WITHIN_S + 10
_MARKS: Mapping[Severity, str] = {"ok": "ok", "warning": "warn", "error": "ERROR"}


def doctor(config_path: Path | None, *, offline: bool, as_json: bool) -> int:
    """Check and print; 0 if all is well, 1 with warnings, 2 with errors."""
    found: list[Finding] = []
    config = _config(config_path, found)
    status: Any = None
    made_owners: tuple[str, ...] = ()
    with suppress(ConfigError):  # told already
        status, made_owners = _state(state_dir(config_path, os.environ), found)
    if config is not None:
        owners = _owners(config, made_owners)
        found += _advice(config, owners)
        found += _workspace(config)
        found += _deciders(config, owners)
        found += _jobs(config)
        if status is None:
            found += page(config)
            found += _isolation(config)
        if not offline:
            found += asyncio.run(_everyone(config))
    if as_json:
        sys.stdout.write(orjson.dumps([asdict(finding) for finding in found]).decode() + "\n")
    else:
        for finding in found:
            print(line(finding))
    return findings.worst(found)


def line(finding: Finding) -> str:
    """A finding for people."""
    told = f"{_MARKS[finding.severity]:<6}{finding.check:<15} {finding.finding}"
    return told + (f"  -> {finding.remedy}" if finding.remedy else "")


def _config(path: Path | None, found: list[Finding]) -> Config | None:
    try:
        config = load(path, os.environ)
    except ConfigError as error:
        found += [
            Finding(
                check="config",
                severity="error",
                finding=fault,
                remedy=_CREDENTIALS if "systemd credential" in fault else "",
            )
            for fault in str(error).splitlines()
        ]
        return None
    source = config.source or "no configuration file, built-in defaults"
    found.append(Finding(check="config", finding=f"{source}: in order"))
    return config


def _state(directory: Path, found: list[Finding]) -> tuple[Any, tuple[str, ...]]:
    """Add what there is to say of the state directory, its database and the gateway over it.

    Returns the status of the gateway, None if none answers, and whom a code has made owners.
    """
    now = SystemClock().now()
    found += findings.of_place(store.place(directory), str(directory))
    status: Any = None
    try:
        status = look(directory)
        examined = ask(directory, Examine(), answer_within_s=EXAMINE_WITHIN_S)
    except NotRunning:
        found.append(Finding(check="gateway", finding="not running; its files are looked at"))
        examined = _stopped(directory, now)
    except Refused as refused:
        remedy = "run this as its user or root; if it hangs, restart it"
        found.append(
            Finding(check="gateway", severity="error", finding=str(refused), remedy=remedy)
        )
        return None, ()
    if status is not None:
        found.append(Finding(check="gateway", finding=f"running for {age(status['uptime_s'])}"))
        found += findings.of_status(status)
        found += desk_findings.of_equipment(status)
    owners: tuple[str, ...] = ()
    if isinstance(examined, Finding):
        found.append(examined)
    elif examined is not None:
        found += findings.of_database(examined)
        if examined["rows"] is not None:
            owners = tuple(examined["rows"]["owners"])
            found += findings.of_rows(examined["rows"], now)
            found += desk_findings.of_desk(examined["rows"], now)
        found.append(findings.of_clock(now, examined["last_known"]))
        found.append(findings.of_backup(now, noted(directory)))
    return status, owners


def _stopped(directory: Path, now: int) -> Any:
    """What the database of a stopped gateway tells, None if there is none, or why it can't."""
    if not (directory / DATABASE).exists():
        return None
    try:
        held = lock.hold(directory)
    except StoreError as error:
        return Finding(
            check="gateway",
            severity="error",
            finding=str(error),
            remedy="it holds the directory and does not answer: wait, then restart it",
        )
    try:
        return orjson.loads(orjson.dumps(store.examine(directory, now=now, running=False)))
    finally:
        held.release()


def _workspace(config: Config) -> Iterator[Finding]:
    if "files" not in config.tools.enabled:
        return
    path = config.tools.workspace
    there = next(place for place in (path, *path.parents) if place.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        yield Finding(check="workspace", finding=f"{path} can be written")
    else:
        yield Finding(
            check="workspace",
            severity="error",
            finding=f"{path} cannot be written by this user",
            remedy=f"give {there} to the gateway's user, or set tools.workspace",
        )


def _owners(config: Config, made: tuple[str, ...]) -> frozenset[str]:
    """Every account of the owners; `made` are owners by a code."""
    owners = {*made, *(str(each) for each in config.gateway.owners)}
    return frozenset(ident for each in owners for ident in config.people.linked(each))


def _advice(config: Config, owners: frozenset[str]) -> Iterator[Finding]:
    owned = desk_findings.heard(configured_platforms(config), owners)
    for sentence in advice(config, owned=owned):
        yield Finding(check="config", severity="warning", finding=sentence)


def _deciders(config: Config, owners: frozenset[str]) -> Iterator[Finding]:
    """Who owns the gateway, and decides."""
    approvals, platforms = config.approvals, configured_platforms(config)
    yield from desk_findings.of_owners(platforms, owners)
    yield from desk_findings.of_deciders(
        tools=(*config.tools.enabled, *(f"mcp {server.name}" for server in config.mcp)),
        owners=bool(owners),
        approvers=bool(approvals.approvers or approvals.chats),
        has_chats=bool(platforms),
    )


def _jobs(config: Config) -> Iterator[Finding]:
    """When each job fires next."""
    if not config.cron:
        return
    from gateway.cli.cron import of_jobs

    yield from of_jobs(config.cron, datetime.now(UTC))


def page(config: Config) -> Iterator[Finding]:
    """Whether the page's port is free for a start; a running gateway has it itself."""
    if not config.web.enabled:
        return
    place = config.web.listen
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place.host, place.port))
        except OSError as error:
            yield Finding(
                check="page",
                severity="error",
                finding=f"{place} cannot be had: {error.strerror or error}",
                remedy="stop the program that has it, or set web.listen to another port",
            )


def _isolation(config: Config) -> Iterator[Finding]:
    """Whether commands can be isolated for this user; a running gateway tells of itself."""
    if "shell" not in config.tools.enabled:
        return
    from agent.tools.isolation import Isolation

    why = Isolation(workspace=config.tools.workspace).available()
    if why is not None:
        yield from desk_findings.of_missing({"shell": why})
    else:
        yield Finding(check="tool shell", finding="commands can be isolated")


async def _everyone(config: Config) -> list[Finding]:
    """Ask each platform who we are, and each provider for its models."""
    from gateway.cli.online import load_clients, of_platform, of_provider
    from gateway.surfaces import chat_adapters

    entries = choose_providers(config, os.environ, await _local(config))
    load_clients(entries)
    answers = await asyncio.gather(
        *(of_platform(adapter, config) for adapter in chat_adapters(config)),
        *(of_provider(entry, "warning" if at else "error") for at, entry in enumerate(entries)),
    )
    return [finding for found in answers for finding in found]


async def _local(config: Config) -> LocalModel | None:
    if not wants_local_probe(config, os.environ):
        return None
    from agent.providers.models import probe_local

    found = await probe_local(LOCAL_SERVERS)
    return LocalModel(base_url=found[0], model=found[1]) if found else None
