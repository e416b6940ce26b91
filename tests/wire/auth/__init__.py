"""A loopback server of log-ins: token endpoints, device codes, the Copilot exchange."""

from tests.wire.auth.server import AuthServer, Login

__all__ = ["AuthServer", "Login"]
