"""A plan that was run, and whether it kept what its query promises.

https://www.postgresql.org/docs/current/using-explain.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

# Small tables are read whole, and rightly so; large ones never are.
SMALL_TABLE = 3_000  # rows
LARGE_TABLE = 10_000  # rows
# The way down an index, the row, and a page of the visibility map; a statement may look for what is not there.
PAGES_A_ROW = 8
# A handful more, where the other side of a join has no more than that anyway.
ROWS_BESIDE = 10
# Rows that are newer than the last vacuum are looked up in the table even by an index-only scan.
PAGES_BESIDE = 8

Sizes = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Promise:
    """`rows`: read at the most, found or not; `sorted_rows`: put in order at the most; `index_only`: tables of which
    nothing but an index is looked at."""

    rows: int
    sorted_rows: int = 0
    index_only: tuple[str, ...] = ()


class Plan:
    def __init__(self, explained: dict[str, Any], sizes: Sizes) -> None:
        self._sizes = sizes
        self._nodes = list(_walk(explained["Plan"]))
        self.milliseconds = float(explained["Execution Time"])
        self.pages = sum(explained["Plan"].get(f"Shared {how} Blocks", 0) for how in ("Hit", "Read"))

    def __str__(self) -> str:
        return f"{self.rows:,} rows, {self.pages:,} pages, {self.milliseconds:.2f} ms"

    @property
    def rows(self) -> int:
        """Read of tables, found or not; what a small table holds is not worth counting."""
        return round(sum(_rows_read(node) for node in self._nodes if not self._whole(node, SMALL_TABLE)))

    @property
    def shape(self) -> list[tuple[Any, ...]]:
        """What tells two plans apart, whatever they read."""
        return [tuple(node.get(key) for key in ("Node Type", "Relation Name", "Index Name")) for node in self._nodes]

    def faults(self, promise: Promise) -> list[str]:
        return [
            *self._sequential(),
            *self._not_index_only(promise),
            *self._sorts(promise),
            *self._reads(promise),
        ]

    def _sequential(self) -> Iterator[str]:
        for node in self._nodes:
            if "Seq Scan" in node["Node Type"] and not self._whole(node, LARGE_TABLE):
                yield f"reads all of {node['Relation Name']}"

    def _whole(self, node: dict[str, Any], size: int) -> bool:
        """Whether a table of less than this size is read from end to end."""
        return "Seq Scan" in node["Node Type"] and self._sizes[node["Relation Name"]] < size

    def _not_index_only(self, promise: Promise) -> Iterator[str]:
        for node in self._nodes:
            table = node.get("Relation Name")
            if table not in promise.index_only or node["Node Type"] == "ModifyTable":
                continue
            if node["Node Type"] != "Index Only Scan":
                yield f"reads {table} by {node['Node Type']}, not from an index alone"
            elif node["Heap Fetches"] > _rows_read(node) / 2:
                yield f"looks up rows of {table} that are not known to be visible to all: it wants a VACUUM"

    def _sorts(self, promise: Promise) -> Iterator[str]:
        for node in self._nodes:
            if node["Node Type"] in ("Sort", "Incremental Sort"):
                rows = round(sum(child["Actual Rows"] * child["Actual Loops"] for child in node["Plans"]))
                if rows > promise.sorted_rows:
                    yield f"sorts {rows:,} rows, where {promise.sorted_rows:,} are promised"

    def _reads(self, promise: Promise) -> Iterator[str]:
        if self.rows > promise.rows + ROWS_BESIDE:
            yield f"reads {self.rows:,} rows, where {promise.rows:,} are promised"
        elif self.pages > (most := PAGES_A_ROW * promise.rows + PAGES_BESIDE):
            yield f"reads {self.pages:,} pages for {self.rows:,} rows, where {most:,} would do"


def table_sizes(connection: psycopg.Connection) -> Sizes:
    """Rows of each table, as the planner thinks."""
    return dict(connection.execute("SELECT relname, reltuples FROM pg_class WHERE relkind IN ('r', 'p')").fetchall())


def _walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _walk(child)


def _rows_read(node: dict[str, Any]) -> float:
    """Of a table; what is thrown away has been read."""
    if "Scan" not in node["Node Type"] or "Relation Name" not in node:
        return 0
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])
