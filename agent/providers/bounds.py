"""Pure: how long and how much one attempt may take, by where the model runs."""

import ipaddress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Seconds and bytes of one attempt. Time the reader of the events takes does not count.

    `first_byte_s` ends with the response head, `idle_s` counts from any byte, `progress_s` from
    any text, reasoning or argument. After the terminal marker the wire reads on for usage for at
    most `after_finish_s`. A reply that is not streamed has `collected_s` in all, and no other.
    """

    connect_s: float = 5.0
    first_byte_s: float
    idle_s: float
    progress_s: float
    step_s: float
    after_finish_s: float = 5.0
    collected_s: float = 300.0
    step_bytes: int = 8 * MIB
    line_bytes: int = MIB
    arguments_bytes: int = 512 * KIB
    first_byte_grows: bool = True

    def grown(self, input_tokens: int) -> "Bounds":
        """The bounds for a long input: prompts take time to read before anything comes back."""
        factor = 1.67 if input_tokens > 100_000 else 1.33 if input_tokens > 50_000 else 1.0
        if factor == 1.0:
            return self
        first_byte_s = self.first_byte_s * (factor if self.first_byte_grows else 1.0)
        return replace(self, first_byte_s=first_byte_s, progress_s=self.progress_s * factor)

    def collected(self) -> "Bounds":
        """The bounds where nothing is streamed: the head may come with the whole reply."""
        whole = self.collected_s
        return replace(self, first_byte_s=whole, idle_s=whole, progress_s=whole, step_s=whole)


CLOUD = Bounds(first_byte_s=30, idle_s=45, progress_s=120, step_s=600)
REASONING = Bounds(first_byte_s=120, idle_s=90, progress_s=300, step_s=1500, collected_s=900)
LOCAL = Bounds(
    first_byte_s=600,
    idle_s=120,
    progress_s=300,
    step_s=1800,
    collected_s=900,
    first_byte_grows=False,
)

_REASONING_PREFIXES = ("o1", "o3", "o4", "gpt-5", "deepseek-r", "deepseek-reasoner", "qwq")


def bounds_for(base_url: str, model: str) -> Bounds:
    """The bounds of an entry: local by address, reasoning by the model's name, else cloud."""
    if _is_local(urlsplit(base_url).hostname or ""):
        return LOCAL
    name = model.rpartition("/")[2].lower()
    return REASONING if name.startswith(_REASONING_PREFIXES) else CLOUD


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".lan", ".internal")):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host  # a bare name is one of the operator's own machines
    return address.is_loopback or address.is_private or address.is_link_local
