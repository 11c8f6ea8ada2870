"""Rows into a table: few in the statement itself, many by a temporary table; what comes of them is the same."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.postgres.conftest import RowHost

from harvester.postgres import merge as merging
from harvester.postgres.columns import Row
from harvester.postgres.merge import FEW, Merged

BEGIN = datetime(2026, 11, 20, 3, 45, tzinfo=UTC)
TABLE, AVERAGES = "public.equity_data", "public.indicators"


def rows(count: int, price: str = "800.50") -> list[Row]:
    return [("SBIN", BEGIN + timedelta(minutes=number), Decimal(price), number) for number in range(count)]


@pytest.mark.parametrize("few", [0, FEW], ids=["by a temporary table", "in the statement"])
def test_rows_that_are_new_another_or_the_same_are_counted_and_kept(
    host: RowHost, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(merging, "FEW", few)
    odd: Row = ("{\"a,\\'", BEGIN, Decimal("0.01"), 2**62)
    with host.open() as place:
        first = place.merge({TABLE: [*rows(3), odd], AVERAGES: [("SBIN", BEGIN, Decimal("800.50"), None)]})
        changed = [*rows(2), ("SBIN", rows(3)[2][1], Decimal("9.00"), 2), rows(4)[3], odd]
        second = place.merge({TABLE: changed, AVERAGES: [("SBIN", BEGIN, Decimal("800.50"), Decimal(7))]})
        third = place.merge({TABLE: changed})
        assert place.read_back(place.tables[0], changed) == changed

    assert (first[TABLE], first[AVERAGES]) == (Merged(4, 0), Merged(1, 0))
    assert (second[TABLE], second[AVERAGES]) == (Merged(1, 1), Merged(0, 1))
    assert third == {TABLE: Merged(), AVERAGES: Merged()}
    assert host.base.run("SELECT max(id), count(*) FROM equity_data") == [(6, 5)], (
        "only a row that was another uses up a number"
    )
    assert host.rows("indicators") == [(BEGIN, Decimal("800.50"), Decimal(7))]


def test_only_many_rows_take_a_temporary_table(host: RowHost, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[int] = []

    def copy(cursor: Any, table: Any, columns: Any, found: Any) -> None:
        copied.append(len(found := list(found)))
        original(cursor, table, columns, found)

    original = merging._copy
    monkeypatch.setattr(merging, "_copy", copy)
    with host.open() as place:
        done = [place.merge({TABLE: each})[TABLE] for each in (rows(FEW), rows(FEW + 1), iter(rows(2, "1.00")))]

    assert done == [Merged(FEW, 0), Merged(1, 0), Merged(0, 2)]
    assert copied == [FEW + 1, 2]
