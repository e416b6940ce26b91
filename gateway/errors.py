"""What can fail in the gateway itself; each text is one sentence for whoever runs it."""

from __future__ import annotations


class GatewayError(Exception):
    """The root: show the text, never a traceback, to people. `config.ConfigError` is one too."""


class NotNow(GatewayError):
    """Not possible at the moment: whoever repeats it later, with its key, gets it done once."""


class StoreError(GatewayError):
    """Nothing of this call was stored: do not acknowledge what it stood for."""


class StoreUnusable(StoreError):
    """The store cannot be opened until someone changes something: end with code 78."""


class StoreLocked(StoreUnusable):
    """Another process holds the state directory."""


class StoreFailed(StoreError):
    """A commit or the disk failed: stop intake, drain what needs no store, exit non-zero."""


class StoreClosed(StoreError):
    """The store is closed or closing: the caller is late, drop the work."""


class ConstraintViolated(StoreError):
    """A unique, foreign key or check rule refused a row: the caller knows what that means."""


class QueryTooLong(StoreError):
    """A read was stopped at its time limit: narrow the query or page through it."""
