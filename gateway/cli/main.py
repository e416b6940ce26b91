"""Entry of the command line: errors become one sentence and an exit code, never a traceback."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from gateway.config.faults import ConfigError
from gateway.errors import GatewayError, NotNow, StoreUnusable
from gateway.web.errors import ListenError

EXIT_FAILED = 1
EXIT_LATER = 75  # the same command, given again later, may do
EXIT_CONFIG = 78  # a service manager must not start this again by itself
EXIT_INTERRUPTED = 130

LOG_FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainRun:
    """`gatepost run` with nothing that needs explaining."""

    config: Path | None = None
    log_format: str = "text"
    demo: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(given)
    except ConfigError as error:
        _complain(*str(error).splitlines())
        return EXIT_CONFIG
    except (StoreUnusable, ListenError) as error:
        _complain(str(error))
        return EXIT_CONFIG
    except NotNow as error:
        _complain(str(error))
        return EXIT_LATER
    except GatewayError as error:
        _complain(str(error))
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as error:
        if os.environ.get("GATEPOST_TRACEBACK"):
            raise
        _complain(
            f"a fault of its own: {type(error).__name__}: {error}",
            "run the same again with GATEPOST_TRACEBACK=1 and report what it prints",
        )
        return EXIT_FAILED


def plain_run(arguments: Sequence[str]) -> PlainRun | None:
    """Read a `run` that needs no help, no completion and no complaint; None for all else.

    The service's start does not pay for the command-line library this way: it takes longer to
    import than everything `run` itself needs before the first connection.
    """
    if not arguments or arguments[0] != "run":
        return None
    found: dict[str, object] = {}
    rest = list(arguments[1:])
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name == "--demo" and not equals:
            found["demo"] = True
            continue
        if name not in {"--config", "-c", "--log-format"} or (not equals and not rest):
            return None
        value = value if equals else rest.pop(0)
        if not value or value.startswith("-"):
            return None
        if name == "--log-format":
            if value not in LOG_FORMATS:
                return None
            found["log_format"] = value
        else:
            found["config"] = Path(value)
    return PlainRun(
        config=cast(Path | None, found.get("config")),
        log_format=str(found.get("log_format", "text")),
        demo=bool(found.get("demo")),
    )


def _dispatch(arguments: Sequence[str]) -> int:
    plain = plain_run(arguments)
    if plain is not None:
        from gateway.cli.run import run

        return run(plain.config, log_format=plain.log_format, demo=plain.demo)

    from gateway.cli.commands import app

    try:
        app(args=list(arguments), prog_name="gatepost")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else EXIT_FAILED
    return 0


def _complain(*lines: str) -> None:
    for line in lines:
        print(f"gatepost: {line}", file=sys.stderr)
