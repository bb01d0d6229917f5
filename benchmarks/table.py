"""Rates beside each other, and aims beside what was measured."""

import sys
from collections.abc import Sequence
from statistics import quantiles
from typing import NamedTuple

from benchmarks.load import Rate

QUIET = 0.05
WIDTH = 58


class Aim(NamedTuple):
    """`at_least`: the bound is a lower one. `disturbed`: of what it was measured by, the most."""

    what: str
    measured: float
    bound: float
    unit: str = ""
    at_least: bool = False
    note: str = ""
    disturbed: float = 0.0

    @property
    def verdict(self) -> str:
        if self.disturbed > QUIET:
            return "disturbed, which shows nothing"
        return "met" if (self.measured >= self.bound if self.at_least else self.measured <= self.bound) else "MISSED"


def show(title: str, unit: str, rates: Sequence[tuple[str, Rate]]) -> None:
    """The first is Parley's; the others are what it is compared with."""
    ours = rates[0][1]
    print(f"\n{title}")
    for name, rate in rates:
        share = "" if rate is ours else f"; Parley takes {ours.cpu_ms / rate.cpu_ms:.1f} times that"
        print(
            f"  {name:<{WIDTH}}{rate.a_second:>8,.0f} {unit}, {rate.cpu_ms:.2f} ms of a core each{share}{noise(rate)}"
        )
    sys.stdout.flush()


def show_deliveries(title: str, rates: Sequence[tuple[str, Rate]]) -> None:
    print(f"\n{title}")
    for name, rate in rates:
        cpu = f"{rate.cpu_ms * 1000:.1f} µs of a core each"
        print(f"  {name:<{WIDTH}}{rate.a_second:>8,.0f} deliveries/s, {cpu}{noise(rate)}")
    sys.stdout.flush()


class Times(NamedTuple):
    """`ms`: milliseconds. `disturbed`: as of a rate."""

    ms: Sequence[float]
    disturbed: float = 0.0

    def percentile(self, percent: int) -> float:
        return quantiles(self.ms, n=100, method="inclusive")[percent - 1]


def show_times(title: str, rows: Sequence[tuple[str, Times]]) -> None:
    print(f"\n{title}")
    for name, times in rows:
        p50, p99 = times.percentile(50), times.percentile(99)
        shown = f"p50 {p50:,.1f} ms, p99 {p99:,.1f} ms, longest {max(times.ms):,.1f} ms"
        print(f"  {name:<{WIDTH}}{shown}{noise(times)}")
    sys.stdout.flush()


def show_aims(aims: Sequence[Aim]) -> None:
    print("\nAims, and what was measured")
    for aim in aims:
        bound = f"{'at least' if aim.at_least else 'at most'} {aim.bound:g}{aim.unit}"
        note = f" ({aim.note})" if aim.note else ""
        digits = 2 if aim.measured < 10 else 0
        print(f"  {aim.what:<{WIDTH}}{aim.measured:>8,.{digits}f}{aim.unit:<4}{bound:<16}{aim.verdict}{note}")
    sys.stdout.flush()


def noise(rate: Rate | Times) -> str:
    """A rate that was taken while the cores had something else to do is not worth much."""
    return f" (disturbed: others took {rate.disturbed:.0%} of the cores)" if rate.disturbed > QUIET else ""
