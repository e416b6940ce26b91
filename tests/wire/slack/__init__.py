"""The loopback Slack server."""

from tests.wire.slack.rates import Rates
from tests.wire.slack.server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, SlackServer
from tests.wire.slack.transport import Delivery
from tests.wire.slack.world import File, Shown, Version

__all__ = [
    "APP_TOKEN",
    "BOT_TOKEN",
    "SIGNING_SECRET",
    "Delivery",
    "File",
    "Rates",
    "Shown",
    "SlackServer",
    "Version",
]
