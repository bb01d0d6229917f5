"""`parley explain`: how the database answers the hot queries, on the largest workspace that it holds.

Each is planned as psycopg runs it: first with the values at hand and, once it is prepared, with a generic plan that
must do for all values. Both are judged by what the query promises. All of it is rolled back.
"""

import sys
from collections.abc import Iterator
from typing import NamedTuple, TextIO

import psycopg

from server.explain.hot import Hot, hot_queries
from server.explain.plan import Plan, table_sizes
from server.explain.prepared import Prepared
from server.explain.sample import Sample
from server.settings import Settings, SettingsError


class Verdict(NamedTuple):
    hot: Hot
    custom: Plan
    generic: Plan
    faults: list[str]
    text: str


def main(settings: Settings, *, plans: bool = True, out: TextIO = sys.stdout) -> int:
    """The exit status: 1 where a query is answered badly. Raises SettingsError where there is nothing to ask about."""
    bad = 0
    with psycopg.connect(settings.database_address) as connection:
        sample = Sample.of_largest(connection)
        if sample is None:
            raise SettingsError("no workspace has messages yet: `parley demo --messages 1000000` fills a large one")
        out.write(f"{sample}\n\n")
        for verdict in verdicts(connection, sample):
            bad += bool(verdict.faults)
            out.write(_shown(verdict, plans))
    out.write(f"\n{bad} answered badly\n" if bad else "\nall answered well\n")
    return bool(bad)


def verdicts(connection: psycopg.Connection, sample: Sample) -> Iterator[Verdict]:
    for hot in hot_queries(sample):
        yield judged(connection, hot)


def judged(connection: psycopg.Connection, hot: Hot) -> Verdict:
    """Plan and run a query both ways, and leave nothing of it behind."""
    sizes = table_sizes(connection)
    with connection.transaction(force_rollback=True):
        prepared = Prepared(connection, hot.statement, hot.parameters)
        custom, generic = (Plan(prepared.explained(generic=each), sizes) for each in (False, True))
        faults = custom.faults(hot.promise)
        faults += [f"{fault} (generic plan)" for fault in generic.faults(hot.promise)]
        text = prepared.text(generic=False)
        if generic.shape != custom.shape:
            text += "\ngeneric plan:\n" + prepared.text(generic=True)
        prepared.close()
    return Verdict(hot, custom, generic, faults, text)


def _shown(verdict: Verdict, plans: bool) -> str:
    hot, custom, generic, faults, text = verdict
    lines = [f"{'BAD ' if faults else 'good'}  {hot.name}: {custom}"]
    if generic.shape != custom.shape:
        lines.append(f"      generic plan: {generic}")
    lines += [f"      ! {fault}" for fault in faults]
    if plans:
        lines += [f"      {line}" for line in text.splitlines()] + [""]
    return "\n".join(lines) + "\n"
