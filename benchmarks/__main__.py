"""Run the benchmarks: make bench, or make bench ARGS="--minute"."""

import argparse

import uvloop

from benchmarks import bursts, delivering, flatness, history, idle, latency, quiet, sending, storm
from benchmarks.cores import pin_to_client_core
from benchmarks.stage import Stage, staged
from benchmarks.table import show_aims

LIVE = {
    "delivering": delivering.measure,
    "bursts": bursts.measure,
    "latency": latency.measure,
    "storm": storm.measure,
    "idle": idle.measure,
    "quiet": quiet.measure,
}
PARTS = {"history": history.measure, "sending": sending.measure, "flatness": flatness.measure, **LIVE}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; live: from delivering on; all by default"
    )
    parser.add_argument("--seconds", type=float, default=5, help="how long each rate is measured (default: 5)")
    parser.add_argument("--minute", action="store_true", help="hold the snapshot for a minute, not for ten seconds")
    asked = parser.parse_args()
    parts = [part for name in asked.parts or PARTS for part in (LIVE if name == "live" else [name])]
    unknown = set(parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    pin_to_client_core()
    with staged(seconds=asked.seconds, minute=asked.minute) as stage:
        uvloop.run(run(stage, parts))


async def run(stage: Stage, parts: list[str]) -> None:
    await stage.sign_in()
    for part in parts:
        await PARTS[part](stage)
    if stage.aims:
        show_aims(stage.aims)


if __name__ == "__main__":
    main()
