"""Where the running gateway is found: the state directory, read without the rest of the file."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from gateway.config.load import load
from gateway.config.sources import absolute, find_file, read_file, with_environment
from gateway.config.values import GatewayConfig


def state_dir(config: Path | None, environ: Mapping[str, str]) -> Path:
    """The state directory a configuration names; raises ConfigError if it names none.

    Only that key is read: whoever asks for the status need not have the gateway's tokens in
    their environment.
    """
    file = find_file(config, environ)
    default = str(GatewayConfig().state_dir)
    if file is None:
        return absolute(default, Path.cwd(), environ.get("HOME"))
    try:
        tree = tomllib.loads(read_file(file))
    except (ValueError, RecursionError):
        return load(config, environ).gateway.state_dir  # it raises, naming the line
    section, unset = with_environment({"gateway": tree.get("gateway", {})}, environ)
    table = section["gateway"]
    named = table.get("state_dir", default) if isinstance(table, dict) else None
    if unset or not isinstance(named, str) or not named.strip():
        return load(config, environ).gateway.state_dir
    return absolute(named, file.parent.absolute(), environ.get("HOME"))
