"""Rows of a daily backup into a database that has rows already: what is new is inserted, what differs is updated.

Everything of a backup goes in one transaction, or nothing. No row is deleted, but of a table without a key, whose dates
are replaced where they differ; no column ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from psycopg.sql import SQL, Composable, Identifier, Literal

from harvester.base.errors import HarvesterError
from harvester.database import memory
from harvester.database.catalogue import FoundTable, checksum_of, compare_in_utc, in_reference_order, look_at, row_text
from harvester.database.drift import Drift, find_drift
from harvester.database.export import SCHEMA, drop_export
from harvester.database.manifests import Backup, TableFacts
from harvester.database.server import Connection, listed, qualified


class MergeError(HarvesterError):
    """A backup was refused as a whole; the database is as it was."""


@dataclass(frozen=True)
class Rules:
    """What a person allows."""

    local: str = "refuse"
    """Of rows numbered here, whose numbers the server gave to others: refuse, keep or overwrite them."""
    add_columns: bool = False
    """Add the columns that the server has and this database lacks."""
    dry_run: bool = False
    """Count, and change nothing."""


@dataclass
class Merged:
    """What became of a table's rows; `notes` are sentences for a person."""

    name: str
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    notes: list[str] = field(default_factory=list)


def merge(connection: Connection, backup: Backup, rules: Rules) -> list[Merged]:
    """Merge what `load_rows` brought. Raises MergeError, ServerError: the database is as it was then.

    `connection` commits each statement; the schema of exports is gone afterwards, whatever happens.
    """
    try:
        with connection.transaction(force_rollback=rules.dry_run):
            return _merge(connection, backup, rules)
    finally:
        drop_export(connection)


def _merge(connection: Connection, backup: Backup, rules: Rules) -> list[Merged]:
    memory.prepare(connection)
    found = {table.name: look_at(connection, table.parts) for table in backup.tables}
    drifts = [find_drift(table, found[table.name]) for table in backup.tables]
    if refused := [sentence for drift in drifts for sentence in drift.refusals(rules.add_columns)]:
        raise MergeError(
            f"{backup.path}: the tables here are not as on the server: {'; '.join(refused)}. Nothing was merged."
            + (" --add-columns adds the columns." if any(drift.missing for drift in drifts) else "")
        )
    for drift in drifts:
        _add_columns(connection, drift)
    facts = {table.name: table for table in backup.tables}
    order = in_reference_order(connection, facts)
    merged = []
    for name in order:
        table = look_at(connection, facts[name].parts)
        assert table is not None  # noqa: S101  # drift refuses a table that is not there
        drift = next(drift for drift in drifts if drift.name == name)
        result = Merged(name, notes=drift.notes())
        _lock(connection, facts[name])
        if facts[name].merge == "key":
            _merge_by_key(connection, facts[name], table, rules, result)
        else:
            _replace_dates(connection, facts[name], rules, result)
        _raise_sequences(connection, facts[name], table)
        merged.append(result)
    memory.remember(connection, backup)
    return merged


def _add_columns(connection: Connection, drift: Drift) -> None:
    for column in drift.missing:
        # The type is as format_type spells it, on the server; a made-up one would be an error of syntax.
        connection.execute(
            SQL("ALTER TABLE {} ADD COLUMN {} ").format(qualified(*drift.parts), Identifier(column.name))
            + SQL(column.type)
        )


def _lock(connection: Connection, facts: TableFacts) -> None:
    """Nobody else writes meanwhile; who reads goes on."""
    connection.execute(SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(qualified(*facts.parts)))


def _merge_by_key(connection: Connection, facts: TableFacts, table: FoundTable, rules: Rules, result: Merged) -> None:
    """Updated before inserted, by joins, which PostgreSQL does in half the time of ON CONFLICT: nobody else writes."""
    _see_to_own_rows(connection, facts, table, rules, result)
    columns = [column.name for column in facts.columns]
    fixed = {*facts.key, *(column.name for column in table.columns if column.identity or column.generated)}
    values = [name for name in columns if name not in fixed]
    target, source = qualified(*facts.parts), qualified(SCHEMA, facts.table)
    insert = SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} AS came").format(
        target, listed(columns), listed(columns, "came"), source
    )
    if _has_rows(connection, target):
        same = _same_key(facts.key, table)
        if values:
            update = SQL("UPDATE {} AS kept SET {} FROM {} AS came WHERE {} AND {} IS DISTINCT FROM {}").format(
                target,
                SQL(", ").join(SQL("{} = {}").format(Identifier(name), Identifier("came", name)) for name in values),
                source,
                same,
                _comparable(table, values, "kept"),
                _comparable(table, values, "came"),
            )
            result.updated = connection.execute(update).rowcount
        insert += SQL(" WHERE NOT EXISTS (SELECT FROM {} AS kept WHERE {})").format(target, same)
        insert += _but_those_here(connection, facts, table, result)
    result.inserted = connection.execute(insert).rowcount
    result.unchanged = facts.rows - result.inserted - result.updated - result.refused


def _has_rows(connection: Connection, relation: Composable) -> bool:
    row: Any = connection.execute(SQL("SELECT EXISTS (SELECT FROM {})").format(relation)).fetchone()
    return bool(row[0])


def _same_key(key: Sequence[str], table: FoundTable) -> Composable:
    """A condition: whether a row here and one that came have the same key, as its unique index has it."""
    equal = "IS NOT DISTINCT FROM" if set(key) in map(set, table.null_keys) else "="
    parts = [SQL("{} {} {}").format(Identifier("kept", name), SQL(equal), Identifier("came", name)) for name in key]
    return SQL(" AND ").join(parts)


def _but_those_here(connection: Connection, facts: TableFacts, table: FoundTable, result: Merged) -> Composable:
    """A condition that leaves out rows without a whole key that are here already, value by value."""
    needed = {column.name for column in table.columns if column.not_null}
    if needed.issuperset(facts.key) or set(facts.key) in map(set, table.null_keys):
        return SQL("")
    source, target = qualified(SCHEMA, facts.table), qualified(*facts.parts)
    empty = SQL("num_nulls({}) > 0").format(listed(facts.key, "came"))
    row: Any = connection.execute(SQL("SELECT count(*) FROM {} AS came WHERE {}").format(source, empty)).fetchone()
    if not row[0]:
        return SQL("")
    result.notes.append(f"{row[0]} rows have an empty value in their key: they are added where they are not here")
    columns = [column.name for column in facts.columns]
    return SQL(" AND NOT ({} AND EXISTS (SELECT FROM {} AS kept WHERE {} = {}))").format(
        empty, target, row_text(columns, "kept"), row_text(columns, "came")
    )


def _comparable(table: FoundTable, names: Sequence[str], relation: str) -> Composable:
    """A row of values, those of types without an equality as text."""
    types = {column.name: column.type for column in table.columns}
    parts = [
        SQL("{}::text" if types[name].removesuffix("[]") in WITHOUT_EQUALITY else "{}").format(
            Identifier(relation, name)
        )
        for name in names
    ]
    return SQL("ROW({})").format(SQL(", ").join(parts))


WITHOUT_EQUALITY = frozenset(
    {"json", "xml", "point", "line", "lseg", "path", "polygon", "box", "circle", "txid_snapshot"}
)


def _see_to_own_rows(
    connection: Connection, facts: TableFacts, table: FoundTable, rules: Rules, result: Merged
) -> None:
    """Rows that this database numbered itself, under numbers that the server gave to others."""
    numbered = [column for column in table.columns if column.sequence and column.name in facts.key]
    if len(facts.key) != 1 or not numbered:
        return
    column, target, source = facts.key[0], qualified(*facts.parts), qualified(SCHEMA, facts.table)
    newest = memory.newest_number(connection, facts.name, column)
    columns = [each.name for each in facts.columns]
    clash = SQL("FROM {} AS kept JOIN {} AS came USING ({}) WHERE {} IS DISTINCT FROM {}").format(
        target, source, Identifier(column), row_text(columns, "kept"), row_text(columns, "came")
    )
    clash += SQL(" AND kept.{} > {}").format(Identifier(column), Literal(newest)) if newest is not None else SQL("")
    numbers = SQL("SELECT kept.{} ").format(Identifier(column)) + clash
    row: Any = connection.execute(
        SQL("SELECT count(*), min({0}), max({0}) FROM ({1}) AS found").format(Identifier(column), numbers)
    ).fetchone()
    if row[0]:
        own = f"{facts.name}: {row[0]} rows here, {column} {row[1]} to {row[2]}, are other rows than the server's"
        if rules.local == "refuse":
            raise MergeError(
                f"{own} of these numbers. Nothing was merged. --local keep leaves the server's out, --local overwrite"
                " replaces those here; or give those here other numbers first."
            )
        if rules.local == "keep":
            connection.execute(SQL("DELETE FROM {} WHERE {} IN ({})").format(source, Identifier(column), numbers))
            result.refused = row[0]
        result.notes.append(f"{own}: {'they were kept' if rules.local == 'keep' else 'they were overwritten'}")
    memory.remember_number(connection, facts.name, column, source)


def _replace_dates(connection: Connection, facts: TableFacts, rules: Rules, result: Merged) -> None:
    """Each date of the backup whose rows differ here becomes as it is there."""
    compare_in_utc(connection)
    columns, target, source = [c.name for c in facts.columns], qualified(*facts.parts), qualified(SCHEMA, facts.table)
    day = Identifier(str(facts.date))
    for here, (there, when) in _dates(connection, target, source, day, columns):
        if here == there:
            result.unchanged += there[0]
            continue
        if here and here[0] > there[0] and rules.local != "overwrite":
            raise MergeError(
                f"{facts.name}: of {when} there are {here[0]} rows here, and {there[0]} on the server. Nothing was"
                " merged. --local overwrite has the date as on the server, and the others here deleted."
            )
        value = Literal(when)
        connection.execute(SQL("DELETE FROM {} WHERE {} IS NOT DISTINCT FROM {}").format(target, day, value))
        connection.execute(
            SQL(
                "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} WHERE {} IS NOT DISTINCT FROM {}"
            ).format(target, listed(columns), listed(columns), source, day, value)
        )
        old = here[0] if here else 0
        result.updated += min(old, there[0])
        result.inserted += max(there[0] - old, 0)
        if old:
            result.notes.append(f"{when}: {old} rows here were replaced by {there[0]}")


Seen = tuple[int, str]


def _dates(
    connection: Connection, target: Composable, source: Composable, day: Identifier, columns: Sequence[str]
) -> "list[tuple[Seen | None, tuple[Seen, date | str | None]]]":
    """For each date of the backup rows and checksum here, None where there are none, and in the backup."""
    each = SQL("SELECT {0}, count(*), {1} FROM {2} GROUP BY 1 ORDER BY 1")
    came = connection.execute(each.format(day, checksum_of(columns), source)).fetchall()
    here: dict[Any, Seen] = {}
    for when, _, _ in came:
        row: Any = connection.execute(
            SQL("SELECT count(*), {} FROM {} WHERE {} IS NOT DISTINCT FROM {}").format(
                checksum_of(columns), target, day, Literal(when)
            )
        ).fetchone()
        if row[0]:
            here[when] = (int(row[0]), str(row[1]))
    return [(here.get(when), ((int(rows), str(checksum)), when)) for when, rows, checksum in came]


def _raise_sequences(connection: Connection, facts: TableFacts, table: FoundTable) -> None:
    """What is numbered next is beyond all that is there; a sequence never goes back."""
    for column in table.columns:
        if column.sequence:
            connection.execute(
                SQL(
                    "SELECT setval({0}::regclass, greatest(coalesce((SELECT max({1}) FROM {2}), 1),"
                    " coalesce(pg_sequence_last_value({0}::regclass), 1)))"
                ).format(Literal(column.sequence), Identifier(column.name), qualified(*facts.parts))
            )
