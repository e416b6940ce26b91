"""Pure: what job hardware cost when this was packaged, for when the Hub's own list can't be had."""

from datetime import date
from typing import Final

AS_OF: Final = date(2026, 8, 22)
"""When the page was read. Source: https://huggingface.co/docs/hub/jobs-pricing"""

DOLLARS_PER_HOUR: Final = {
    "cpu-basic": "0.01",
    "cpu-upgrade": "0.03",
    "cpu-xl": "1.00",
    "cpu-performance": "1.90",
    "t4-small": "0.40",
    "t4-medium": "0.60",
    "l4x1": "0.80",
    "l4x4": "3.80",
    "l40sx1": "1.80",
    "l40sx4": "8.30",
    "l40sx8": "23.50",
    "a10g-small": "1.00",
    "a10g-large": "1.50",
    "a10g-largex2": "3.00",
    "a10g-largex4": "5.00",
    "a100-large": "2.50",
    "a100x4": "10.00",
    "a100x8": "20.00",
    "h200": "5.00",
    "h200x2": "10.00",
    "h200x4": "20.00",
    "h200x8": "40.00",
    "rtx-pro-6000": "2.75",
    "rtx-pro-6000x2": "5.50",
    "rtx-pro-6000x4": "11.00",
    "rtx-pro-6000x8": "22.00",
}
