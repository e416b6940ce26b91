"""No file, however broken, ends in anything but values or a list of faults."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Config, ConfigError, load
from tests.gateway.config.test_load import FULL
from tests.gateway.config.test_spending import SPENDING

PIECES = (
    *FULL.splitlines(keepends=True),
    *SPENDING.splitlines(keepends=True),
    "[[policy]]\n",
    "policy = [1, { tool = 2 }]\n",
    "people = [1]\n",
    "[people]\nann = [[1], {}]\n",
    "[people]\nann = 1\n",
    "when = { a = { in = [{}], min = [], max = nan, eq = 1979-05-27 } }\n",
    "when.a.min = nan\n",
    "when.path.prefix = 1\n",
    "[policy.ceiling]\nmin = -1\nmax = 'x'\n",
    "match = [{ args = { a = 1979-05-27, b = inf } }]\n",
    "match = [1]\n",
    "tags = 1\n",
    "layer = 'user'\n",
    "id = 3\n",
    "[approvals.chats]\nx = 1\n",
    "[approvals.chats.'slack:*']\n",
    "turn = 1e-999999999\n",
    "turn = 1e999999999\n",
    "turn = 1e99999999999999999999\n",
    "price = { input = 'x', output = [] }\n",
    "price = { a = -1 }\n",
    "effects = { a = 1 }\n",
    "[[mcp]]\n",
    "mcp = 1\n",
    "[tools.web_search]\n",
    "[[providers]]\n",
    "[access.slack]\n",
    "owners = 1\n",
    "x = { file = 1 }\n",
    'token = "${"\n',
    "drain_s = 1e400\n",
    'timezone = "../../etc/passwd"\n',
    'timezone = "a\\u0000b"\n',
    'state_dir = "a\\u0000b"\n',
    'token = { file = "a\\u0000b" }\n',
    'base_url = "http://[::1"\n',
    'base_url = "http://h:99999999"\n',
    "[providers]\n",
    '"" = 1\n',
    "access = 3\n",
)


def _loads_or_explains(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "gatepost.toml"
        path.write_bytes(raw)
        try:
            assert isinstance(load(path, {"TELEGRAM_TOKEN": "1:a"}), Config)
        except ConfigError as exc:
            assert exc.faults
            for fault in exc.faults:
                assert fault.problem
                assert fault.fix
                assert "\n" not in str(fault)
                assert fault.line is None or 1 <= fault.line <= raw.count(b"\n") + 1


@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_order_of_lines(lines: list[str]) -> None:
    """Lines of a good file and some bad ones, repeated and out of order."""
    _loads_or_explains("".join(lines).encode())


@given(
    st.sampled_from((FULL, SPENDING)),
    st.lists(
        st.tuples(
            st.integers(0, len(SPENDING)), st.integers(0, 12), st.text(max_size=4) | st.just('"')
        ),
        max_size=4,
    ),
)
def test_any_slip_of_the_hand(text: str, edits: list[tuple[int, int, str]]) -> None:
    """A good file with characters cut out and typed in."""
    for at, cut, typed in edits:
        text = text[:at] + typed + text[at + cut :]
    _loads_or_explains(text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    """Bytes that were never meant to be a configuration."""
    _loads_or_explains(raw)
