"""Reads exported Parquet files with pyarrow and compares them with the CSV files that they were made of.

    parquet_rows.py CYCLE_FOLDER EXPORTED_FOLDER

Every CSV file that the manifest lists must be there once, and nothing else; every column must have its type, every row
every value, and every sum be the manifest's. Prints one line a file: its name, its rows, and the sum of its amounts.
"""

import csv
import hashlib
import json
import pathlib
import sys

import pyarrow
import pyarrow.compute
import pyarrow.parquet

GROUP_ROWS_MAX = 1 << 17
NUMBERS = {"line", "terminal_seq", "count"}


def check(condition, what):
    if not condition:
        sys.exit(what)


def wanted_type(column):
    if column in NUMBERS or column.endswith("_fen"):
        return pyarrow.int64()
    others = {
        "business_date": pyarrow.date32(),
        "card_counter": pyarrow.int32(),
        "tapped_at": pyarrow.timestamp("ms"),
    }
    return others.get(column, pyarrow.string())


def spelled(value):
    """A value as the CSV has it."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def compare(cycle, exported, entry, manifest_sha256):
    name = entry["name"]
    path = exported / name.replace(".csv", ".parquet")
    file = pyarrow.parquet.ParquetFile(path)
    said = {key.decode(): value.decode() for key, value in file.metadata.metadata.items()}
    check(said["cityunion.cycle"] == cycle.name, f"{path}: {said}")
    check(said["cityunion.manifest_sha256"] == manifest_sha256, f"{path}: {said}")
    check(said["cityunion.file"] == name and said["cityunion.file_sha256"] == entry["sha256"], f"{path}: {said}")
    groups = [file.metadata.row_group(at).num_rows for at in range(file.metadata.num_row_groups)]
    check(max(groups, default=0) <= GROUP_ROWS_MAX, f"{path}: groups of {groups} rows")

    with open(cycle / name, encoding="utf-8", newline="") as lines:
        header, *rows = list(csv.reader(lines))
    table = file.read()
    check(table.column_names == header, f"{path}: {table.column_names}")
    check(table.num_rows == len(rows) == entry["rows"], f"{path}: {table.num_rows} rows, {len(rows)} in the CSV")
    for at, column in enumerate(header):
        values = table.column(column)
        check(values.type == wanted_type(column), f"{path}: {column} is {values.type}")
        check(not file.schema_arrow.field(column).nullable, f"{path}: {column} may be empty")
        for row, value in enumerate(values.to_pylist()):
            check(spelled(value) == rows[row][at], f"{path}: {column} of row {row + 1}: {value!r}, not {rows[row][at]}")
    for column, total in entry["totals"].items():
        found = pyarrow.compute.sum(table.column(column)).as_py() or 0
        check(found == total, f"{path}: {column} comes to {found}, the manifest says {total}")
    print(name, len(rows), entry["totals"].get("amount_fen", 0))
    return str(path.relative_to(exported))


def main(cycle, exported):
    bytes = (cycle / "manifest.json").read_bytes()
    listed = [entry for entry in json.loads(bytes)["files"] if entry["rows"] is not None]
    sha256 = hashlib.sha256(bytes).hexdigest()
    compared = {compare(cycle, exported, entry, sha256) for entry in listed}
    there = {str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()}
    check(there == compared, f"{exported}: {sorted(there ^ compared)}")


main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]))
