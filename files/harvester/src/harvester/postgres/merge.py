"""Rows into a table: copied into a temporary one, and merged from there by one statement that touches what differs.

The few rows of a minute are handed to the statement itself: a temporary table costs more than they do, and leaves dead
rows in the database's catalogue each time.

Whoever delivers a table writes its name beside it first (DELIVERIES): another delivery of the same table is refused,
and two processes of one delivery, such as the live one and that of a day, come one after the other.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from psycopg import Connection, Cursor, sql

from harvester.postgres.columns import Row, TableLayout
from harvester.postgres.trouble import DatabaseError

LIST = "harvester_deliveries"
DELIVERIES = sql.Identifier(LIST)
PENDING = sql.Identifier("pg_temp", "harvester_pending")
FEW = 500
"""So many rows go without a temporary table."""


class Merged(NamedTuple):
    """Rows that were not there, and rows that were there otherwise."""

    inserted: int = 0
    updated: int = 0


def claim(connection: Connection[Any], table: TableLayout, owner: str) -> None:
    """Write down who delivers a table, and hold it until the transaction ends. Raises DatabaseError for another's."""
    place = sql.SQL("{}.{}").format(sql.Identifier(table.schema), DELIVERIES)
    find = sql.SQL("SELECT delivery FROM {} WHERE table_name = %s FOR UPDATE").format(place)
    found = connection.execute(find, (table.name,)).fetchone()
    if found is None:
        add = sql.SQL("INSERT INTO {} (table_name, delivery) VALUES (%s, %s) ON CONFLICT (table_name) DO NOTHING")
        connection.execute(add.format(place), (table.name, owner))
        found = connection.execute(find, (table.name,)).fetchone()
    if found is None or found[0] != owner:
        whose = found[0] if found else "a delivery that row-level security hides"
        raise DatabaseError(
            f"{table.full_name}: {whose} delivers this table, and two that do would overwrite each other's rows. Name"
            f" another table in harvester_settings.deliveries; or, where that one is gone for good, have the database"
            f" forget it: its row of {table.name} in {table.schema}.{LIST} must go."
        )


def merge(connection: Connection[Any], table: TableLayout, rows: Iterable[Row]) -> Merged:
    """Bring rows into a table, inside the transaction that is open. Each key may come once."""
    if rows == []:
        return Merged()
    columns = _join([sql.Identifier(column.name) for column in table.columns])
    with connection.cursor() as cursor:
        if isinstance(rows, list) and len(rows) <= FEW:
            arrays = _join([sql.SQL("%s::{}[]").format(sql.SQL(column.copied)) for column in table.columns])
            source = sql.SQL("unnest({}) AS new({})").format(arrays, columns)
            values = [[row[place] for row in rows] for place in range(len(table.columns))]
            cursor.execute(_statement(table, columns, source), values)
        else:
            _copy(cursor, table, columns, rows)
            cursor.execute(_statement(table, columns, sql.SQL("{} AS new").format(PENDING)))
        inserted, updated = cursor.fetchone() or (0, 0)
    return Merged(inserted, updated)


def _copy(cursor: Cursor[Any], table: TableLayout, columns: sql.Composed, rows: Iterable[Row]) -> None:
    """Rows into a temporary table that the end of the transaction drops."""
    types = [sql.SQL("{} {}").format(sql.Identifier(each.name), sql.SQL(each.copied)) for each in table.columns]
    cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(PENDING))
    cursor.execute(sql.SQL("CREATE TEMPORARY TABLE harvester_pending ({}) ON COMMIT DROP").format(_join(types)))
    with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(PENDING, columns)) as copy:
        for row in rows:
            copy.write_row(row)


def _statement(table: TableLayout, columns: sql.Composed, source: sql.Composed) -> sql.Composed:
    """`source` has the rows, under the name new.

    Those that are there as they should be are left out before: an insert would use up a number of their sequence.
    """
    key, values = [*map(sql.Identifier, table.key)], [*map(sql.Identifier, table.values)]
    alike = [sql.SQL("there.{0} = new.{0}").format(name) for name in key]
    alike += [sql.SQL("there.{0} IS NOT DISTINCT FROM new.{0}").format(name) for name in values]
    differs = [sql.SQL("there.{0} IS DISTINCT FROM EXCLUDED.{0}").format(name) for name in values]
    update = sql.SQL("DO UPDATE SET {} WHERE {}").format(
        _join([sql.SQL("{0} = EXCLUDED.{0}").format(name) for name in values]), sql.SQL(" OR ").join(differs)
    )
    return sql.SQL(
        "WITH done AS (INSERT INTO {table} AS there ({columns}) SELECT {columns} FROM {source}"
        " WHERE NOT EXISTS (SELECT FROM {table} AS there WHERE {alike})"
        " ON CONFLICT ({key}) {action} RETURNING (xmax = 0) AS is_new)"
        " SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM done"
    ).format(
        table=sql.Identifier(table.schema, table.name),
        columns=columns,
        source=source,
        alike=sql.SQL(" AND ").join(alike),
        key=_join(key),
        action=update if values else sql.SQL("DO NOTHING"),
    )


def read_back(connection: Connection[Any], table: TableLayout, rows: Sequence[Row]) -> list[Row]:
    """The table's rows with the keys of these, in their order, as the table has them."""
    columns = sql.SQL(", ").join(sql.SQL("there.{}").format(sql.Identifier(each.name)) for each in table.columns)
    types = {column.name: column.copied for column in table.columns}
    places = [[column.name for column in table.columns].index(name) for name in table.key]
    keys = [[row[place] for row in rows] for place in places]
    arrays = _join([sql.SQL("%s::{}[]").format(sql.SQL(types[name])) for name in table.key])
    names = _join([*map(sql.Identifier, table.key)])
    query = sql.SQL(
        "SELECT {} FROM unnest({}) WITH ORDINALITY AS asked({}, place) JOIN {} AS there USING ({}) ORDER BY place"
    )
    return connection.execute(
        query.format(columns, arrays, names, sql.Identifier(table.schema, table.name), names), keys
    ).fetchall()


def _join(parts: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)
