"""Runs the benchmarks and prints what was measured, each figure as soon as it is known.

`python -m benchmarks [SECTION ...]`: some of `floor load gate growth waiting models`, or all. Every
figure is taken for both sides of its ratio in one run. Medians are shown, raw values are kept in
`build/bench.json`.
"""

import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import failover, gate, gated, growth, streams, waiting
from benchmarks.arena import ROOT, Arena, GatewayArena
from benchmarks.growth import Series
from benchmarks.load import floor_load, gateway_load, p99

TURNS = 60
STARTS = 5
CHATS = 100
RESTS = 2  # starts after which memory is read
IDLE_S = 3.0
FEW, MANY = 10, 1010
Make = Callable[..., Arena]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measurement; lower is better."""

    name: str
    unit: str
    gateway: tuple[float, ...]
    floor: tuple[float, ...]


Places = Iterator[Path]
Measured = AsyncIterator[Figure | Series]


async def main(wanted: Sequence[str]) -> None:
    """Measure, print, keep."""
    kept = ROOT / "build" / "bench.json"
    raw: dict[str, object] = json.loads(kept.read_text()) if wanted and kept.exists() else {}
    with tempfile.TemporaryDirectory(prefix="gatepost-bench-") as folder:
        fresh = (Path(folder) / str(number) for number in range(10_000))
        for section in wanted or SECTIONS:
            print(f"\n{section:62}{'gateway':>10}{'floor':>10}{'ratio':>8}", flush=True)
            async for found in SECTIONS[section](fresh):
                match found:
                    case Figure():
                        _print(found)
                        values: object = {"gateway": found.gateway, "floor": found.floor}
                    case Series():
                        _print_grown(found)
                        values = found.values
                raw[found.name.strip()] = {"unit": found.unit, "values": values}
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(raw, indent=1))
    print(f"\nraw values: {kept.relative_to(ROOT)}")


async def _beside_floor(fresh: Places) -> Measured:
    def gateway(*, paced: bool = False, **script: float) -> Arena:
        return GatewayArena(next(fresh), paced=paced, **script)

    def floor(**script: float) -> Arena:
        return Arena(**script)

    async for figure in _figures(gateway, floor):
        yield figure


async def _gates(fresh: Places) -> Measured:
    """A press beside a bare callback handler, a call beside its tool alone, paid beside free."""
    async for figure in _presses(fresh):
        yield figure
    calls = await gate.calls(fresh)
    async for figure in _calls(calls):
        yield figure
    yield Series(name="CPU of a turn, by free calls in it", unit="ms", values=calls.cpu_by_reads)
    yield Series(name="its time, by free calls in it", unit="ms", values=calls.time_by_reads)
    yield gate.verdicts()


async def _grown(fresh: Places) -> Measured:
    for measure in (growth.recovery, growth.past, growth.sessions):
        async for series in measure(fresh):
            yield series


async def _waiting(fresh: Places) -> Measured:
    left = await waiting.left_waiting(next(fresh))
    async for series in waiting.waiting(fresh, left):
        yield series
    for paced in (False, True):
        wave = await waiting.wave(next(fresh), left, paced=paced)
        for figure in _elsewhere(wave, paced=paced):
            yield figure
        for series in waiting.series(wave, paced=paced):
            yield series


async def _models(fresh: Places) -> Measured:
    """Streams beside a bare reader of the same bytes; failover on a clock that jumps."""
    ours, base = await streams.cpu_per_delta()
    yield Figure(name="reading a stream, CPU per delta", unit="us", gateway=ours, floor=base)
    crowd, bare = await streams.crowd()
    if not (crowd.whole and bare.whole):
        print("800 streams: deltas were lost")
    yield Figure(
        name="800 streams of 40 deltas a second: loop lag, p99",
        unit="ms",
        gateway=(streams.p99(crowd.late) * 1_000,),
        floor=(streams.p99(bare.late) * 1_000,),
    )
    yield await asyncio.to_thread(failover.requests)
    spans = await asyncio.to_thread(failover.to_fallback)
    well = spans.pop("a healthy primary")
    for what, seconds in spans.items():
        yield Figure(name=f"answer with {what}", unit="s", gateway=(seconds,), floor=(well,))
    whole, most = await asyncio.to_thread(failover.tax)
    yield Figure(
        name="silent primary, 100 turns: seconds lost in all", unit="s", gateway=(whole,), floor=()
    )
    yield Figure(name="  most lost in one turn", unit="s", gateway=(most,), floor=())


async def _figures(gateway: Make, floor: Make) -> AsyncIterator[Figure]:
    ours, base = await _starts(gateway), await _starts(floor)
    yield Figure(name="start to ready", unit="ms", gateway=ours[0], floor=base[0])
    yield Figure(name="idle memory", unit="MiB", gateway=ours[1], floor=base[1])
    ours, base = await _turns(gateway), await _turns(floor)
    yield Figure(name="new chat, message to answer", unit="ms", gateway=ours[0], floor=base[0])
    yield Figure(name="  message in to model request", unit="ms", gateway=ours[1], floor=base[1])
    yield Figure(name="  last model byte to final send", unit="ms", gateway=ours[2], floor=base[2])
    yield Figure(name="CPU per turn", unit="ms", gateway=ours[3], floor=base[3])
    yield Figure(
        name="CPU per streamed delta",
        unit="us",
        gateway=await _deltas(gateway),
        floor=await _deltas(floor),
    )
    yield Figure(
        name="100 chats at once, instant answers",
        unit="s",
        gateway=await _burst(gateway, deltas=8, pause_s=0.0),
        floor=await _burst(floor, deltas=8, pause_s=0.0),
    )
    yield Figure(
        name="100 chats at once, 3 s answers",
        unit="s",
        gateway=await _burst(gateway, deltas=30, pause_s=0.1),
        floor=await _burst(floor, deltas=30, pause_s=0.1),
    )
    yield Figure(
        name="100 chats at once, instant, at Telegram's own pace",
        unit="s",
        gateway=await _burst(lambda **script: gateway(paced=True, **script), deltas=8, pause_s=0),
        floor=(CHATS / 30,),
    )


async def _loads(fresh: Places) -> Measured:
    """A burst, then a steady load; the floor answers 200 and stores nothing."""
    for name, events, over_s in (("burst of 1,000 in 2 s", 1_000, 2.0), ("50 a second", 750, 15.0)):
        ours = await gateway_load(next(fresh), events=events, over_s=over_s)
        base = await floor_load(events=events, over_s=min(over_s, 5.0))
        ours_ms = tuple(each * 1_000 for each in ours.acknowledged)
        yield Figure(
            name=f"{name}: received, p99",
            unit="ms",
            gateway=(p99(ours_ms),),
            floor=(p99(base) * 1_000,),
        )
        answered = tuple(each * 1_000 for each in ours.answered)
        yield Figure(name="  answered, p99", unit="ms", gateway=(p99(answered),), floor=())
        yield Figure(name="  lost", unit="messages", gateway=(float(ours.lost),), floor=())


async def _presses(fresh: Places) -> Measured:
    ours = await gate.presses(GatewayArena(next(fresh), gated=True))
    base = await gate.presses(Arena())
    for name, at in (("press to tool start", 0), ("press to its answer", 1)):
        yield Figure(
            name=name,
            unit="ms",
            gateway=tuple(span[at] * 1_000 for span in ours),
            floor=tuple(span[at] * 1_000 for span in base),
        )


async def _calls(calls: gate.Calls) -> Measured:
    yield Figure(
        name="one more free call in a step, CPU",
        unit="us",
        gateway=(gate.one_more(calls.cpu_by_reads) * 1_000,),
        floor=await gate.alone(),
    )
    for name, by_price in (("CPU", calls.cpu_by_price), ("time", calls.time_by_price)):
        yield Figure(
            name=f"turn with a paid call, beside a free one, {name}",
            unit="ms",
            gateway=by_price[gated.PAID],
            floor=by_price[gated.FREE_CHANGE],
        )


def _elsewhere(wave: waiting.Wave, *, paced: bool) -> list[Figure]:
    """A turn in another chat while all cards expire, beside one before that."""
    how = ", at Telegram's own pace" if paced else ""
    parts: tuple[tuple[str, Callable[[tuple[float, ...]], float]], ...] = (
        ("median", statistics.median),
        ("p99", p99),
    )
    return [
        Figure(
            name=f"turn elsewhere in a wave{how}, {name}",
            unit="ms",
            gateway=(part(wave.during) * 1_000,),
            floor=(part(wave.before) * 1_000,),
        )
        for name, part in parts
    ]


async def _starts(make: Make) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Start to ready in ms, and memory after a rest in MiB."""
    ready, memory = [], []
    for number in range(STARTS):
        async with make() as arena:
            ready.append(arena.ready_s * 1000)
            if number < RESTS:
                await asyncio.sleep(IDLE_S)
                memory.append(arena.rss_mib())
    return tuple(ready), tuple(memory)


async def _turns(make: Make) -> tuple[tuple[float, ...], ...]:
    """In ms: message to answer, to the model, after it; processor time a turn."""
    async with make() as arena:
        for chat in range(2000, 2005):
            await arena.turn(chat, f"warm {chat}")
        await asyncio.sleep(1.0)
        before = arena.cpu_s()
        spans = [await arena.turn(chat, f"hello {chat}") for chat in range(3000, 3000 + TURNS)]
        await asyncio.sleep(0.2)
        cpu = (arena.cpu_s() - before) / TURNS * 1000
    to_model, after, whole = zip(*spans, strict=True)
    return (*(tuple(s * 1000 for s in part) for part in (whole, to_model, after)), (cpu,))


async def _deltas(make: Make) -> tuple[float, ...]:
    """Processor time of one more delta, in microseconds: long answers against short ones."""
    costs = []
    for deltas in (FEW, MANY):
        async with make(deltas=deltas, pause_s=0.001) as arena:
            await arena.turn(2000, "warm")
            before = arena.cpu_s()
            for chat in range(3000, 3010):
                await arena.turn(chat, f"hello {chat}")
            costs.append((arena.cpu_s() - before) / 10)
    return ((costs[1] - costs[0]) / (MANY - FEW) * 1e6,)


async def _burst(make: Make, *, deltas: int, pause_s: float) -> tuple[float, ...]:
    """Seconds until the last of 100 chats has its whole answer."""
    async with make(deltas=deltas, pause_s=pause_s) as arena:
        await arena.turn(2000, "warm")
        await asyncio.sleep(1.0)
        return tuple(
            [
                await arena.burst(range(start, start + CHATS), "go")
                for start in (10_000, 20_000, 30_000)
            ]
        )


def _print(figure: Figure) -> None:
    ours = statistics.median(figure.gateway)
    base = statistics.median(figure.floor) if figure.floor else 0.0
    beside = f"{base:10.1f}{ours / base:8.2f}" if base > 0 else f"{'-':>10}{'-':>8}"
    print(f"{figure.name:62}{ours:10.1f}{beside}  {figure.unit}", flush=True)


def _print_grown(series: Series) -> None:
    sizes = ", ".join(
        f"{size:,}: {statistics.median(values):.1f}" for size, values in series.values.items()
    )
    ratio = f"{series.ratio:8.2f}" if series.ratio is not None else f"{'-':>8}"
    print(f"{series.name:82}{ratio}  {sizes} {series.unit}", flush=True)


SECTIONS: Mapping[str, Callable[[Places], Measured]] = {
    "floor": _beside_floor,
    "load": _loads,
    "gate": _gates,
    "growth": _grown,
    "waiting": _waiting,
    "models": _models,
}


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
