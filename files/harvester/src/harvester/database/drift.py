"""How a table here differs from the server's at the time of a backup: shown, and refused where rows would be lost."""

from collections.abc import Iterator
from dataclasses import dataclass

from harvester.database.catalogue import FoundTable
from harvester.database.manifests import Column, TableFacts


@dataclass(frozen=True)
class Drift:
    """The differences of a table's columns."""

    name: str
    parts: tuple[str, str]
    is_absent: bool = False
    missing: tuple[Column, ...] = ()
    """Columns of the server that are not here."""
    other: tuple[tuple[Column, str], ...] = ()
    """Columns of the server, and the other type that they have here."""
    computed: tuple[str, ...] = ()
    """Columns that are written there and computed here."""
    own: tuple[str, ...] = ()
    """Columns that are here alone, and may stay empty."""
    needed: tuple[str, ...] = ()
    """Columns that are here alone, and may not."""
    keyless: tuple[str, ...] = ()
    """The key of the server, where no unique constraint here has it."""

    def refusals(self, add_columns: bool) -> Iterator[str]:
        """Why nothing can be merged, as clauses."""
        if self.is_absent:
            yield f"{self.name} is not here (--full brings it)"
        if self.missing and not add_columns:
            yield f"{self.name} lacks {', '.join(f'{each.name} ({each.type})' for each in self.missing)}"
        for column, here in self.other:
            yield f"{self.name}.{column.name} is {column.type} there and {here} here"
        for name in self.computed:
            yield f"{self.name}.{name} is computed here"
        for name in self.needed:
            yield f"{self.name}.{name} is here alone, and must have a value"
        if self.keyless:
            yield f"{self.name} has no unique constraint on {', '.join(self.keyless)}"

    def notes(self) -> list[str]:
        """What a person should know although it is merged."""
        notes = [
            f"column {each.name} ({each.type}) was added; rows of before have no value in it until --full brings it"
            for each in self.missing
        ]
        return notes + ([f"columns here alone: {', '.join(self.own)}"] if self.own else [])


def find_drift(facts: TableFacts, found: FoundTable | None) -> Drift:
    """Compare a table of a backup with the one that is here."""
    if found is None:
        return Drift(facts.name, facts.parts, is_absent=True)
    here = {column.name: column for column in found.columns}
    there = {column.name for column in facts.columns}
    alone = [column for column in found.columns if column.name not in there]
    is_bare = {column.name: column.not_null and not column.has_default and not column.generated for column in alone}
    return Drift(
        facts.name,
        facts.parts,
        missing=tuple(column for column in facts.columns if column.name not in here),
        other=tuple(
            (column, here[column.name].type)
            for column in facts.columns
            if column.name in here and here[column.name].type != column.type
        ),
        computed=tuple(name for name in here if name in there and here[name].generated),
        own=tuple(name for name, bare in is_bare.items() if not bare),
        needed=tuple(name for name, bare in is_bare.items() if bare),
        keyless=facts.key if facts.key and set(facts.key) not in map(set, found.keys) else (),
    )
