"""Extract, transform and load, a task each; one more for a file, and one for all files."""

import csv
import os
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from pynenc_pg import PynencBuilder

app = (
    PynencBuilder()
    .app_id("example_etl")
    .postgres(os.environ.get("PYNENC__POSTGRES__DSN", "embedded"))
    .serializer_json(typed=True)  # carries what the annotations say: dataclasses, dates, decimals
    .build()
)


@dataclass
class Sale:
    day: date
    article: str
    pieces: int
    price: Decimal


@dataclass
class Cleaned:
    sales: list[Sale]
    rejected: list[str]


@dataclass
class Imported:
    branch: str
    loaded: int
    rejected: list[str]


@app.task
def extract(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@app.task
def transform(rows: list[dict[str, str]]) -> Cleaned:
    cleaned = Cleaned([], [])
    for number, row in enumerate(rows, start=2):  # line 1 has the names
        try:
            day, pieces = date.fromisoformat(row["day"]), int(row["pieces"])
            cleaned.sales.append(Sale(day, row["article"], pieces, Decimal(row["price"])))
        except (ValueError, InvalidOperation):
            cleaned.rejected.append(f"line {number}: {' '.join(row.values())}")
    return cleaned


@app.task(max_retries=3, retry_for=(OSError,))
def load(branch: str, sales: list[Sale]) -> int:
    # What is written in the block, the result and the step to SUCCESS are one commit: a worker that
    # dies on the way leaves nothing behind, and another one does it anew.
    with load.invocation.transaction() as connection, connection.cursor() as cursor:
        cursor.execute("delete from example_etl_sales where branch = %s", [branch])
        cursor.executemany(
            "insert into example_etl_sales values (%s, %s, %s, %s, %s)",
            [(branch, sale.day, sale.article, sale.pieces, sale.price) for sale in sales],
        )
    return len(sales)


@app.task
def import_file(path: str) -> Imported:
    branch = Path(path).stem
    cleaned = transform(extract(path).result).result  # its place is free while it waits
    return Imported(branch, load(branch, cleaned.sales).result, cleaned.rejected)


@app.task
def make_table() -> None:
    with make_table.invocation.transaction() as connection:
        connection.execute(
            "create table if not exists example_etl_sales"
            " (branch text, day date, article text, pieces int, price numeric)"
        )


@app.task
def revenue() -> dict[str, Decimal]:
    with revenue.invocation.transaction() as connection:
        rows = connection.execute(
            "select article, sum(pieces * price) from example_etl_sales group by 1 order by 1"
        ).fetchall()
    return dict(rows)
