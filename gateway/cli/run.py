"""`gatepost run`: load, log, start, and say in a few lines what is running."""

import logging
import os
import signal
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gateway import logs
from gateway.cli.desk_findings import heard, without_owner
from gateway.config import Config, advice, configured_platforms, keys_in, load
from gateway.redaction import secrets_of

if TYPE_CHECKING:
    from gateway.app import Running
    from gateway.supervise import AdapterStatus

log = logging.getLogger(__name__)


def run(config_path: Path | None, *, log_format: str, demo: bool) -> int:
    """Run the gateway; returns its exit code."""
    # It would end the process while that starts, and systemd takes such an end for a clean one.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    config = load(config_path, os.environ)
    form = cast(logs.LogFormat, log_format)
    hide = logs.set_up(form, secrets=secrets_of(config, *keys_in(os.environ)))

    from gateway.process import run as serve

    def reload() -> Config:
        fresh = load(config_path, os.environ)
        hide(secrets_of(fresh, *keys_in(os.environ)))
        return fresh

    return serve(config, demo=demo, ready=partial(_announce, log_format), reload=reload)


def started(config: Config, running: "Running") -> list[str]:
    """What a start says: where, with which model, what is missing, what to do next."""
    demo = all(entry.name == "demo" for entry in running.entries)
    models = ", ".join(
        entry.model if entry.name in entry.model else f"{entry.name} ({entry.model})"
        for entry in running.entries
    )
    lines = ["Gatepost is running."]
    if running.url:
        lines.append(f"  page       {running.url}")
    lines.append(f"  model      {models}")
    if demo:
        lines.append(
            "             a scripted demonstration: set OPENAI_API_KEY, or add [[providers]]"
        )
    for supervisor in running.supervisors:
        found = supervisor.status()
        if found.platform in {"web", "terminal"}:
            continue
        state = _state(found)
        lines.append(f"  {found.platform:<10} {state}")
    missing = [
        name
        for name in ("telegram", "slack", "discord")
        if name not in configured_platforms(config)
    ]
    if missing:
        where = config.source or "gatepost.toml"
        sections = ", ".join(f"[platforms.{name}]" for name in missing)
        lines.append(f"  not set up {', '.join(missing)}: {sections} in {where}")
    lines += [
        f"  owner      {sentence}" for sentence in ownerless(config, _owners(config, running))
    ]
    lines.append(f"  state      {config.gateway.state_dir}")
    lines += [f"  notice     {sentence}" for sentence in _advice(config, running)]
    target = "open the page, or" if running.url else "try"
    lines.append(f"  next       {target}: gatepost chat      (Ctrl-C here stops the gateway)")
    return lines


def _state(found: "AdapterStatus") -> str:
    """How a platform does; it is known who we are before anything comes in."""
    if found.state != "running":
        return found.problem or found.state
    if not found.connected:
        return f"signed in as {found.account}, connecting"
    return f"connected as {found.account}"


def ownerless(config: Config, owners: Iterable[str]) -> list[str]:
    """Where nobody owns the gateway yet, and what to do about it."""
    platforms = configured_platforms(config)
    without = without_owner(platforms, owners)
    if not without:
        return []
    where = "" if len(without) == len(platforms) else f" on {', '.join(without)}"
    return [f"no owner yet{where}: run gatepost pair owner"]


def _owners(config: Config, running: "Running") -> frozenset[str]:
    return frozenset(ident for each in running.owners for ident in config.people.linked(each))


def _advice(config: Config, running: "Running") -> tuple[str, ...]:
    return advice(config, owned=heard(configured_platforms(config), _owners(config, running)))


def _announce(log_format: str, running: "Running") -> None:
    config = running.config  # a SIGHUP may have changed it
    if log_format == "json":
        log.info("ready: page %s", running.url or "none")
        for sentence in (*_advice(config, running), *ownerless(config, _owners(config, running))):
            log.warning("%s", sentence)
        return
    print("\n".join(started(config, running)), file=sys.stderr, flush=True)
