"""What the stress has seen, in one table."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tests.stress.faults import Spell
from tests.stress.judge import Account, Verdict
from tests.stress.phone import Phone

WITHOUT_VALKEY = ("Valkey killed", "Valkey down for seconds", "Valkey silent for seconds")
SHOWN = 20
GROUPS = 5
LATE = 2.0  # seconds
AFTER = 5.0  # seconds for which what was broken may still be felt
BROKEN = ("PostgreSQL killed", "API process killed", "API process stopped")


def latencies(accounts: Iterable[tuple[Account, Mapping[int, float]]]) -> list[tuple[float, float]]:
    """For each message that came to who was subscribed when it was sent: when that was, and the seconds until it came.
    With each account, when messages were sent, by position."""
    found = []
    for account, sent_at in accounts:
        for got in account.got:
            at = sent_at.get(got.position or 0)
            if got.name == "MessageAdded" and at is not None and got.begun is not None and got.begun < at:
                found.append((at, got.at - at))
    return sorted(found)


def during(found: Sequence[tuple[float, float]], spells: Sequence[Spell]) -> list[float]:
    """Latencies of what was sent while Valkey was gone, and neither database nor servers were."""
    gone = [spell for spell in spells if spell.kind in WITHOUT_VALKEY]
    broken = [spell for spell in spells if spell.kind in BROKEN]
    return [
        seconds
        for at, seconds in found
        if any(spell.began <= at <= spell.ended for spell in gone)
        and not any(spell.began - seconds <= at <= spell.ended + 2 for spell in broken)
    ]


def slowest(found: Sequence[tuple[float, float]], spells: Sequence[Spell]) -> list[str]:
    """What came late, by what was broken then or just before."""
    late: dict[str, list[float]] = {}
    for at, seconds in found:
        if seconds > LATE:
            around = sorted({spell.kind for spell in spells if spell.began < at + seconds and at < spell.ended + AFTER})
            late.setdefault(", ".join(around) or "nothing", []).append(seconds)
    worst = sorted(late.items(), key=lambda each: -max(each[1]))[:GROUPS]
    return [f"  late by up to {max(each):.1f} s, {len(each)} times: {around}" for around, each in worst]


def table(
    phones: Sequence[Phone],
    done: Mapping[str, int],
    made: Mapping[str, int],
    unanswered: Mapping[str, int],
    found: Sequence[tuple[float, float]],
    without_valkey: Sequence[float],
) -> str:
    ends = sum((phone.ends for phone in phones), Counter[str]())
    rows: list[tuple[str, object]] = [
        ("phones", len(phones)),
        ("deliveries", sum(len(phone.account.got) for phone in phones)),
        ("connections", sum(phone.connections for phone in phones)),
        *((f"  {name}", number) for name, number in sorted(ends.items())),
        *((name, number) for name, number in sorted(done.items())),
        ("requests without an answer", sum(unanswered.values())),
        *((f"  {name}", number) for name, number in sorted(unanswered.items())),
        *((name, number) for name, number in sorted(made.items())),
        ("commit to phone, of who was live", _spread([seconds for _, seconds in found])),
        ("  without Valkey", _spread(without_valkey)),
        # Nobody is quick on a machine that has something else to do.
        ("load of the machine", f"{os.getloadavg()[1]:.1f} on {os.cpu_count()} cores"),
    ]
    return "\n".join(f"{name:<36}{value if isinstance(value, str) else f'{value:,}':>12}" for name, value in rows)


def faults_found(verdict: Verdict, complaints: Sequence[str]) -> str:
    """Some of each, and how many there are."""
    wrong = {
        "lost": verdict.lost,
        "repeated": verdict.repeated,
        "out of order": verdict.out_of_order,
        "leaked": verdict.leaked,
        "unexpected": complaints,
    }
    lines = [f"{name}: {line}" for name, found in wrong.items() for line in found[:SHOWN]]
    return "\n".join([*lines, f"{verdict}; {len(complaints)} unexpected"])


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    p50, p99 = (ordered[int(len(ordered) * share)] for share in (0.5, 0.99))
    return f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, max {ordered[-1]:.2f} s of {len(ordered):,}"
