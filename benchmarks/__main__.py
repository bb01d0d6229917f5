"""Run the benchmarks: make bench, or make bench ARGS="--minute"."""

import argparse

import uvloop

from benchmarks import flatness, history, live, sending
from benchmarks.cores import pin_to_client_core
from benchmarks.stage import Stage, staged

PARTS = {"history": history.measure, "sending": sending.measure, "flatness": flatness.measure, "live": live.measure}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them by default")
    parser.add_argument("--seconds", type=float, default=5, help="how long each rate is measured (default: 5)")
    parser.add_argument("--minute", action="store_true", help="hold the snapshot for a minute, not for ten seconds")
    asked = parser.parse_args()
    unknown = set(asked.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    pin_to_client_core()
    with staged(seconds=asked.seconds, minute=asked.minute) as stage:
        uvloop.run(run(stage, asked.parts or list(PARTS)))


async def run(stage: Stage, parts: list[str]) -> None:
    await stage.sign_in()
    for part in parts:
        await PARTS[part](stage)


if __name__ == "__main__":
    main()
