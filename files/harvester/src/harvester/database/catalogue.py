"""What PostgreSQL's catalogue says of a table: columns, keys, what refers to what, and sequences."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.sql import SQL, Composable, Literal

from harvester.database.manifests import NO_ENCODING, Column
from harvester.database.server import Connection, ServerError, listed

COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef OR a.attidentity <> '',
       a.attgenerated <> '', a.attidentity <> '',
       pg_get_serial_sequence(quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum"""
# Of a key: its columns in order; no expressions, no part of the rows.
KEYS = """
SELECT i.indisprimary, array_agg(a.attname::text ORDER BY k.place),
       bool_or(coalesce(to_jsonb(i) ->> 'indnullsnotdistinct' = 'true', false))
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
WHERE n.nspname = %s AND c.relname = %s AND i.indisunique AND i.indimmediate AND i.indisvalid
      AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
GROUP BY i.indexrelid, i.indisprimary ORDER BY i.indisprimary DESC, i.indexrelid"""
REFERENCES = """
SELECT n.nspname || '.' || c.relname, rn.nspname || '.' || rc.relname
FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class rc ON rc.oid = f.confrelid JOIN pg_namespace rn ON rn.oid = rc.relnamespace WHERE f.contype = 'f'"""
USER_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT n.nspname = ANY(%s)
ORDER BY 1, 2"""


@dataclass(frozen=True)
class FoundColumn:
    """A column of a table that is there."""

    name: str
    type: str
    not_null: bool
    has_default: bool
    generated: bool
    """PostgreSQL computes it from others: it is never written."""
    identity: bool
    sequence: str | None
    """The sequence that numbers it, as SQL writes it."""

    @property
    def plain(self) -> Column:
        return Column(self.name, self.type)


@dataclass(frozen=True)
class FoundTable:
    """A table that is there; the primary key is the first of its keys."""

    name: str
    columns: tuple[FoundColumn, ...]
    primary: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]
    null_keys: tuple[tuple[str, ...], ...] = ()
    """Those in which an empty value is equal to another (NULLS NOT DISTINCT, since PostgreSQL 15)."""

    @property
    def written(self) -> tuple[FoundColumn, ...]:
        return tuple(column for column in self.columns if not column.generated)


def look_at(connection: Connection, parts: tuple[str, str]) -> FoundTable | None:
    """A table by schema and name; None: there is none."""
    rows = connection.execute(COLUMNS, parts).fetchall()
    if not rows:
        return None
    keys = connection.execute(KEYS, parts).fetchall()
    return FoundTable(
        ".".join(parts),
        tuple(FoundColumn(*row) for row in rows),
        next((tuple(columns) for is_primary, columns, _ in keys if is_primary), ()),
        tuple(tuple(columns) for _, columns, _ in keys),
        tuple(tuple(columns) for _, columns, equal_nulls in keys if equal_nulls),
    )


def user_tables(connection: Connection, without: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Schema and name of each table of the users, but for these schemas."""
    return [(schema, table) for schema, table in connection.execute(USER_TABLES, [list(without)]).fetchall()]


def in_reference_order(connection: Connection, names: Iterable[str]) -> list[str]:
    """The names so that a table comes after those that it refers to. Raises ServerError for a circle."""
    left = dict.fromkeys(names)
    refers: dict[str, set[str]] = {name: set() for name in left}
    for name, other in connection.execute(REFERENCES).fetchall():
        if name in left and other in left and name != other:
            refers[name].add(other)
    order: list[str] = []
    while left:
        free = [name for name in left if not refers[name] & left.keys()]
        if not free:
            raise ServerError(
                f"The tables {', '.join(left)} refer to each other in a circle, so none can be filled first. Drop one"
                " of the references here (ALTER TABLE ... DROP CONSTRAINT), and run it again."
            )
        order += free
        for name in free:
            del left[name]
    return order


def row_text(columns: Sequence[str], relation: str = "") -> Composable:
    """The text of a row's values: what is compared where two servers cannot compare the rows."""
    return SQL("ROW({})::text").format(listed([*columns], relation))


def digest_of(columns: Sequence[str]) -> Composable:
    """An aggregate over rows that does not depend on their order: the sum of 64 bits of each row's MD5.

    MD5 guards against accidents, such as a row that was changed or lost; the dump's SHA-256 against more. It is of the
    text in UTF-8, whatever the database's encoding; of one that has none (SQL_ASCII), of the bytes as they are.
    """
    content = SQL("convert_to({}, CASE getdatabaseencoding() WHEN {none} THEN {none} ELSE 'UTF8' END)").format(
        row_text(columns), none=Literal(NO_ENCODING)
    )
    return SQL("coalesce(sum(('x' || substr(md5({}), 1, 16))::bit(64)::bigint), 0)::text").format(content)


def compare_in_utc(connection: Connection) -> None:
    """Until the transaction's end the text of a time is the same, whatever the session's zone."""
    connection.execute("SET LOCAL TimeZone = 'UTC'")


def checksum_of(columns: Sequence[str]) -> Composable:
    """The same by PostgreSQL's own hash of each row's text, in a quarter of the time.

    It is of the bytes as they are in the database's encoding, and of this kind of processor. Where two are equal, the
    rows are; where they are not, the digests decide.
    """
    return SQL('coalesce(sum(hashtextextended(({}) COLLATE "C", 0)), 0)::text').format(row_text(columns))


def measure(connection: Connection, relation: Composable, *aggregates: Composable) -> tuple[Any, ...]:
    """The number of a table's rows, and these aggregates over them."""
    wanted = SQL(", ").join([SQL("count(*)"), *aggregates])
    row: Any = connection.execute(SQL("SELECT {} FROM {}").format(wanted, relation)).fetchone()
    return tuple(row)
