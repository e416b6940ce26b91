"""The one HTTP listener: the chat page, health, and the routes platforms ask for."""

from gateway.web.errors import ListenError
from gateway.web.health import Health, HealthReport
from gateway.web.server import WebServer

__all__ = ["Health", "HealthReport", "ListenError", "WebServer"]
