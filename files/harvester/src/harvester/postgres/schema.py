"""Whether a table is as its rows need it, and the table where there is none. What is there is never changed."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from psycopg import Connection, sql

from harvester.postgres.columns import TableLayout
from harvester.postgres.merge import DELIVERIES, LIST
from harvester.postgres.trouble import DatabaseError

READERS, WRITERS = "anon", "service_role"
"""Roles of Supabase: what is public, and the service's own. Where they are, a new table has row-level security."""
ORDINARY, PARTITIONED = "r", "p"


class _Found(NamedTuple):
    """A column of the table: its type as format_type says it, and whether a row must say its value."""

    type: str
    is_demanded: bool


def prepare(connection: Connection[Any], tables: tuple[TableLayout, ...]) -> None:
    """Look at the tables, and make those that are missing, in the transaction that is open. Raises DatabaseError."""
    for schema in {table.schema for table in tables}:
        if not _relation(connection, schema, LIST):
            _make_list(connection, schema)
    for table in tables:
        kind = _relation(connection, table.schema, table.name)
        if kind is None:
            _make(connection, table)
        elif kind not in (ORDINARY, PARTITIONED):
            raise DatabaseError(f"{table.full_name}: it is no table, such as a view. Name another one in tables.")
        else:
            _check(connection, table)


def _relation(connection: Connection[Any], schema: str, name: str) -> str | None:
    """The kind of what has this name; None: nothing has."""
    found = connection.execute(
        "SELECT c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s",
        (schema, name),
    ).fetchone()
    return found[0] if found else None


def _check(connection: Connection[Any], table: TableLayout) -> None:
    found = _columns(connection, table)
    wrong = []
    for column in table.columns:
        if column.name not in found:
            wrong.append(f'it has no column "{column.name}" ({column.type})')
        elif not column.accepts(found[column.name].type):
            wrong.append(f'its column "{column.name}" is {found[column.name].type}, and must be {column.type}')
    ours = {column.name for column in table.columns}
    wrong += [
        f'its column "{name}" demands a value, and this delivery has none for it'
        for name, column in found.items()
        if name not in ours and column.is_demanded
    ]
    if not wrong:
        wrong += _explain_keys(table, _unique_keys(connection, table))
    if wrong:
        raise DatabaseError(
            f"{table.full_name}: {'; '.join(wrong)}. A table that is there is never changed from here: correct it, or"
            " rename it, and it is made anew."
        )


def _columns(connection: Connection[Any], table: TableLayout) -> dict[str, _Found]:
    rows = connection.execute(
        "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod),"
        " a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped",
        (table.schema, table.name),
    )
    return {name: _Found(kind, demanded) for name, kind, demanded in rows}


def _explain_keys(table: TableLayout, found: "list[tuple[str, set[str], bool]]") -> Iterator[str]:
    """Why rows cannot be merged by the table's unique keys, and the statements that correct it."""
    key, names = set(table.key), ", ".join(table.key)
    for constraint in (name for name, columns, is_immediate in found if columns == key and not is_immediate):
        yield (
            f"its unique constraint {constraint} is deferrable, and no rows can be merged by one: ALTER TABLE"
            f" {table.full_name} DROP CONSTRAINT {_quoted(constraint)}"
        )
    if not any(columns == key and is_immediate for _, columns, is_immediate in found):
        yield (
            f"it has no unique key on ({names}), so a row could come twice: CREATE UNIQUE INDEX {table.index} ON"
            f" {table.full_name} ({', '.join(_quoted(name) for name in table.key)})"
        )


def _unique_keys(connection: Connection[Any], table: TableLayout) -> "list[tuple[str, set[str], bool]]":
    """Each unique index that holds for every row: its name, its columns, and whether it holds at once."""
    rows = connection.execute(
        "SELECT min(k.relname::text), array_agg(a.attname::text), bool_and(i.indimmediate)"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class k ON k.oid = i.indexrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])"
        " WHERE n.nspname = %s AND c.relname = %s AND i.indisunique AND i.indisvalid"
        " AND i.indpred IS NULL AND i.indexprs IS NULL GROUP BY i.indexrelid",
        (table.schema, table.name),
    )
    return [(name, set(columns), is_immediate) for name, columns, is_immediate in rows]


def _make(connection: Connection[Any], table: TableLayout) -> None:
    """The table, with row-level security where the roles of Supabase are."""
    name = sql.Identifier(table.schema, table.name)
    parts: list[sql.Composable] = [
        sql.SQL("{} {}{}").format(
            sql.Identifier(column.name),
            sql.SQL(column.type),
            sql.SQL(" NOT NULL" if column.is_needed else ""),
        )
        for column in table.columns
    ]
    if table.is_ours:
        parts = [sql.SQL("id bigserial PRIMARY KEY"), *parts, sql.SQL("created_at timestamptz DEFAULT now()")]
    connection.execute(sql.SQL("CREATE TABLE {} ({})").format(name, sql.SQL(", ").join(parts)))
    connection.execute(
        sql.SQL("CREATE UNIQUE INDEX {} ON {} ({})").format(
            sql.Identifier(table.index), name, sql.SQL(", ").join(map(sql.Identifier, table.key))
        )
    )
    _secure(connection, name, is_public=True)


def _make_list(connection: Connection[Any], schema: str) -> None:
    """The list of who delivers which table; nobody but the delivery needs it."""
    name = sql.SQL("{}.{}").format(sql.Identifier(schema), DELIVERIES)
    connection.execute(
        sql.SQL(
            "CREATE TABLE {} (table_name text PRIMARY KEY, delivery text NOT NULL,"
            " since timestamptz NOT NULL DEFAULT now())"
        ).format(name)
    )
    _secure(connection, name, is_public=False)


def _secure(connection: Connection[Any], name: sql.Composable, *, is_public: bool) -> None:
    rows = connection.execute("SELECT rolname::text FROM pg_roles WHERE rolname = ANY (%s)", ([READERS, WRITERS],))
    if len(rows.fetchall()) < 2:
        return
    connection.execute(sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(name))
    if is_public:
        readers, writers = sql.Identifier(READERS), sql.Identifier(WRITERS)
        connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(name, readers))
        connection.execute(sql.SQL("GRANT ALL ON {} TO {}").format(name, writers))
        connection.execute(
            sql.SQL("CREATE POLICY anon_reads ON {} FOR SELECT TO {} USING (true)").format(name, readers)
        )
        connection.execute(
            sql.SQL("CREATE POLICY service_role_all ON {} FOR ALL TO {} USING (true) WITH CHECK (true)").format(
                name, writers
            )
        )


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)
