"""Rates beside each other."""

import sys
from collections.abc import Sequence

from benchmarks.load import Rate

QUIET = 0.05


def show(title: str, unit: str, rates: Sequence[tuple[str, Rate]]) -> None:
    """The first is Parley's; the others are what it is compared with."""
    ours = rates[0][1]
    print(f"\n{title}")
    for name, rate in rates:
        share = "" if rate is ours else f"; Parley takes {ours.cpu_ms / rate.cpu_ms:.1f} times that"
        print(f"  {name:<58}{rate.a_second:>8,.0f} {unit}, {rate.cpu_ms:.2f} ms of a core each{share}{noise(rate)}")
    sys.stdout.flush()


def noise(rate: Rate) -> str:
    """A rate that was taken while the cores had something else to do is not worth much."""
    return f" (disturbed: others took {rate.disturbed:.0%} of the cores)" if rate.disturbed > QUIET else ""
