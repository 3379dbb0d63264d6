"""What duckdb's reader takes the columns of a file for, beside what they are."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.bench.tabular.real import PACKAGES
from tests.bench.tabular.table import KnownTable

_KINDS = {
    "BIGINT": "number",
    "INTEGER": "number",
    "HUGEINT": "number",
    "DOUBLE": "number",
    "DECIMAL": "number",
    "DATE": "date",
    "TIMESTAMP": "datetime",
    "TIMESTAMP WITH TIME ZONE": "datetime",
    "BOOLEAN": "boolean",
    "VARCHAR": "string",
}


def duckdb_kinds(path: Path) -> dict[str, str] | None:
    """Return the kinds by column, None where duckdb cannot read the file. Identifiers have no kind there."""
    if str(PACKAGES) not in sys.path:
        sys.path.append(str(PACKAGES))
    import duckdb  # noqa: PLC0415  # it is none of Regraft's dependencies

    try:
        rows = duckdb.sql(f"DESCRIBE SELECT * FROM read_csv('{path}', nullstr = ['', 'NA'])").fetchall()
    except duckdb.Error:
        return None
    return {str(row[0]): _KINDS.get(str(row[1]).split("(")[0], "string") for row in rows}


def right_by_duckdb(table: KnownTable, path: Path) -> tuple[int, int]:
    """Return how many columns that are not left aside duckdb takes for what they are, and how many there are."""
    found = duckdb_kinds(path) or {}
    asked = [name for name in table.frame(path).columns if "ignored" not in table.right(name)]
    return sum(_fits(found.get(name), table.right(name)) for name in asked), len(asked)


def _fits(kind: str | None, right: tuple[str, ...]) -> bool:
    if kind == "string":
        return "string" in right or "text" in right
    return kind is not None and kind in right
