"""Rates beside each other, and aims beside what was measured."""

import sys
from collections.abc import Sequence
from statistics import quantiles
from typing import NamedTuple

from benchmarks.load import Rate

QUIET = 0.05
WIDTH = 58


class Aim(NamedTuple):
    """`at_least`: the bound is a lower one. `limit`: the same figure of what does the least that can be done."""

    what: str
    measured: float
    bound: float
    unit: str = ""
    at_least: bool = False
    limit: float | None = None

    @property
    def met(self) -> bool:
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


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


def show_times(title: str, times: Sequence[tuple[str, Sequence[float]]]) -> None:
    """In milliseconds."""
    print(f"\n{title}")
    for name, those in times:
        shown = (
            f"p50 {percentile(those, 50):,.1f} ms, p99 {percentile(those, 99):,.1f} ms, longest {max(those):,.1f} ms"
        )
        print(f"  {name:<{WIDTH}}{shown}")
    sys.stdout.flush()


def percentile(times: Sequence[float], percent: int) -> float:
    return quantiles(times, n=100)[percent - 1]


def show_aims(aims: Sequence[Aim]) -> None:
    print("\nAims, and what was measured")
    for aim in aims:
        bound = f"{'at least' if aim.at_least else 'at most'} {aim.bound:g}{aim.unit}"
        limit = "" if aim.limit is None else f" (a bare broadcast: {aim.limit:.3g}{aim.unit})"
        verdict = "met" if aim.met else "MISSED"
        print(f"  {aim.what:<{WIDTH}}{aim.measured:>8.3g}{aim.unit:<6} {verdict:<7} {bound}{limit}")
    sys.stdout.flush()


def noise(rate: Rate) -> str:
    """A rate that was taken while the cores had something else to do is not worth much."""
    return f" (disturbed: others took {rate.disturbed:.0%} of the cores)" if rate.disturbed > QUIET else ""
