"""The loopback Telegram Bot API server."""

from tests.wire.telegram.methods import Rates
from tests.wire.telegram.server import TOKEN, TelegramServer
from tests.wire.telegram.shapes import CutInside, Drip
from tests.wire.telegram.world import Asking, Shown, Version

__all__ = ["TOKEN", "Asking", "CutInside", "Drip", "Rates", "Shown", "TelegramServer", "Version"]
