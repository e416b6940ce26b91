"""The power fails at any moment of a busy store: nothing acknowledged as power-safe is missing."""

import pickle
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.app import Gateway
from gateway.config import load
from gateway.equipment import providers
from gateway.store.base import Durability
from tests.power.disk import Synced, Wrote
from tests.power.loss import Acknowledged, Began, Fate, Log, acknowledged, files_after, required
from tests.power.writer import UNREACHABLE

ROOT = Path(__file__).parents[2]
ROUNDS = 120
DATABASE = "gatepost.db"
WAL = f"{DATABASE}-wal"

moments = st.floats(min_value=0, max_value=1)
fates = st.sampled_from(Fate)
seeds = st.integers(min_value=0, max_value=2**32)


def life(place: Path, *, seed: int, rounds: int) -> Log:
    """Everything that one busy life of a store asked of its disk."""
    file = place / "log"
    done = subprocess.run(
        [sys.executable, "-m", "tests.power.writer", place / "state", file, f"{seed}", f"{rounds}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == UNREACHABLE:
        pytest.skip(f"the disk can't be watched: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return Log(tuple(pickle.loads(file.read_bytes())))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """The life most of these tests are about."""
    return life(tmp_path_factory.mktemp("power"), seed=1, rounds=ROUNDS)


def test_the_log_is_worth_it(log: Log) -> None:
    """Both files were written and synced, the log was folded in meanwhile, much was promised."""
    for file in (DATABASE, WAL):
        assert any(isinstance(entry, Wrote) and entry.file == file for entry in log.entries)
        assert any(isinstance(entry, Synced) and entry.file == file for entry in log.entries)
    restarts = [e for e in log.entries if isinstance(e, Wrote) and (e.file, e.offset) == (WAL, 0)]
    assert len(restarts) > 1
    assert len(required(log, len(log.entries))) > ROUNDS


@given(where=moments, fate=fates, seed=seeds)
@example(where=1.0, fate=Fate.LOST, seed=0)
def test_power_loss(
    log: Log,
    tmp_path_factory: pytest.TempPathFactory,
    where: float,
    fate: Fate,
    seed: int,
) -> None:
    """The database opens, is sound, and holds what was promised."""
    moment = round(where * len(log.entries))
    place = tmp_path_factory.mktemp("crash")
    _restore(place, log, moment, fate, seed)
    found, complaint = _look(place)
    assert complaint == "ok"
    assert required(log, moment) <= found


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 12))
def test_power_loss_in_other_lives(tmp_path: Path, seed: int) -> None:
    """The same for longer lives, at random moments."""
    log = life(tmp_path, seed=seed, rounds=ROUNDS * 5)
    chance = random.Random(seed)
    for number in range(300):
        moment = chance.randrange(len(log.entries))
        place = tmp_path / f"crash-{number}"
        _restore(place, log, moment, chance.choice(tuple(Fate)), number)
        found, complaint = _look(place)
        assert complaint == "ok"
        assert required(log, moment) <= found
        shutil.rmtree(place)


@given(where=moments)
@example(where=1.0)
def test_process_death(log: Log, tmp_path_factory: pytest.TempPathFactory, where: float) -> None:
    """If only the process dies, whatever was acknowledged is there, of either class."""
    moment = round(where * len(log.entries))
    place = tmp_path_factory.mktemp("death")
    _restore(place, log, moment, Fate.KEPT, 0)
    found, complaint = _look(place)
    assert complaint == "ok"
    assert acknowledged(log, moment) <= found


def test_right_after_every_promise(log: Log, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The worst moment of every acknowledgement is the one after it, with all else lost."""
    began = {entry.ident: entry for entry in log.entries if isinstance(entry, Began)}
    promises = [
        (at + 1, began[entry.ident].number is None)
        for at, entry in enumerate(log.entries)
        if isinstance(entry, Acknowledged) and began[entry.ident].durability is Durability.POWER
    ]
    # All that promise the safety of what others wrote, and a part of the rest.
    worst = {at for at, looked in promises if looked}
    for moment in sorted(worst | {at for at, _ in promises[::10]}):
        place = tmp_path_factory.mktemp("promise")
        _restore(place, log, moment, Fate.LOST, 0)
        found, complaint = _look(place)
        assert complaint == "ok"
        assert required(log, moment) <= found


@pytest.mark.parametrize("fate", Fate)
async def test_the_gateway_starts_on_it(log: Log, tmp_path: Path, fate: Fate) -> None:
    """What is left is a state directory like any other."""
    _restore(tmp_path / "state", log, len(log.entries) * 3 // 4, fate, 7)
    file = tmp_path / "gatepost.toml"
    file.write_text(f'[gateway]\nstate_dir = "{tmp_path}/state"\n[web]\nenabled = false\n')
    file.chmod(0o600)
    config = load(file, {})
    gateway = Gateway(config, only_terminal=True)
    running = await gateway.start(await providers(config, demo=True))
    try:
        status = await running.operator.status()
        assert status.store.failed is None
    finally:
        await gateway.stop()


def _restore(place: Path, log: Log, moment: int, fate: Fate, seed: int) -> None:
    place.mkdir(mode=0o700, exist_ok=True)
    for name, content in files_after(log, moment, fate, random.Random(seed)).items():
        file = place / name
        file.write_bytes(content)
        file.chmod(0o600)


def _look(place: Path) -> tuple[set[int], str]:
    """The numbers in a database, after its recovery, and what its own check says."""
    file = place / DATABASE
    if not file.exists():
        return set(), "ok"
    with closing(sqlite3.connect(file)) as database:
        (complaint,) = database.execute("PRAGMA integrity_check").fetchone()
        exists = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'inbox'").fetchone()
        rows = database.execute("SELECT logical_key FROM inbox").fetchall() if exists else []
    return {int(key.removeprefix("n")) for (key,) in rows}, str(complaint)
