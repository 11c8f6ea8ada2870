"""The days of a lake: what each manifest lists, what each certificate says, and the tables as files to read."""

import json
from functools import cached_property
from typing import Any

import pyarrow as pa

from harvester.lake.certificate.sections import symbol_sections
from harvester.lake.columns import FINE
from harvester.lake.layout import (
    CERTIFICATE,
    DEPTH,
    FOLDERS,
    FORMER_NAMES,
    GAPS,
    INSTRUMENTS,
    SESSIONS,
    WINDOW,
)
from harvester.reader.columns import HISTORIES, HISTORY, LOGICAL, REST, SCALE_OF_FILE, SOURCES, Source, in_fine_units
from harvester.reader.errors import DamagedFileError, IncompleteLakeError, NotRecordedError
from harvester.reader.files import AWAY, PULL, DayFiles

CASH = "nse_cash"
"""The segment of a symbol whose entry in a certificate names none."""


class Day(DayFiles):
    """One day of one host."""

    @cached_property
    def certificate(self) -> dict[str, Any]:
        """Raises IncompleteLakeError or DamagedFileError."""
        listed = self.find(CERTIFICATE)
        if not listed:
            raise IncompleteLakeError(f"{self}: the manifest lists no certificate.", PULL)
        path = listed[0]
        with self.readable(path):
            content = json.loads(self.place.read(path))
            _ = content["symbols"], content["windows"]
            return dict(content)

    @cached_property
    def segments(self) -> dict[str, str]:
        """Each recorded symbol, sorted, with its segment; those of which no update came are among them."""
        found: dict[str, str] = {}
        with self.readable(CERTIFICATE):
            for section in symbol_sections(self.certificate):
                for symbol, entry in section.items():
                    found[symbol] = entry.get("segment", CASH)
        return dict(sorted(found.items()))

    @cached_property
    def identifiers(self) -> dict[str, frozenset[str]]:
        """Permanent identifiers of symbols, fyToken and ISIN, where the day has them."""
        if not (tables := self.tables(INSTRUMENTS)):
            return {}
        with self.readable(tables[0].path):
            rows = tables[0].file.read(["symbol", "fy_token", "isin"]).to_pylist()
        known = {row.pop("symbol"): frozenset(filter(None, row.values())) for row in rows}
        return {symbol: identifiers for symbol, identifiers in known.items() if identifiers}

    @cached_property
    def phases(self) -> dict[str, list[tuple[str, int, int]]]:
        """Phases of each segment as the day was recorded with, wall ns; none where the day does not keep them."""
        found: dict[str, list[tuple[str, int, int]]] = {}
        for table in self.tables(SESSIONS):
            with self.readable(table.path):
                rows = table.file.read(["segment", "phase", "ts_open", "ts_close"])
                moments = [rows.column(name).cast(pa.int64()).to_pylist() for name in ("ts_open", "ts_close")]
                names = [rows.column(name).to_pylist() for name in ("segment", "phase")]
            for segment, phase, opens, closes in zip(*names, *moments, strict=True):
                if phase != WINDOW:
                    found.setdefault(segment, []).append((phase, opens, closes))
        return found

    def feeds_of(self, symbol: str) -> list[str]:
        """The feeds that recorded a symbol, polls first."""
        found = [REST] if symbol in self.certificate["symbols"] else []
        sections = dict(self.certificate.get("streams", {}))
        if "candles" in self.certificate:
            section = self.certificate["candles"]
            sections[section.get("feed", HISTORY)] = section
        return found + [name for name, section in sections.items() if symbol in section["symbols"]]

    def updated(self, logical: str) -> set[str]:
        """The symbols of which rows of a table came, by the certificate; all that were polled where it is of books."""
        with self.readable(CERTIFICATE):
            polled = self.certificate["symbols"].items()
            found = {name for name, entry in polled if logical == DEPTH and entry["updates"]}
            for section in self.certificate.get("streams", {}).values():
                for name, entry in section["symbols"].items():
                    rows = {FORMER_NAMES.get(kind, kind): count for kind, count in entry["updates"].items()}
                    found |= {name} if rows.get(logical) else set()
        return found

    def interval_ns(self, symbol: str) -> int | None:
        """From one poll of a symbol to the next, where polls alone recorded it."""
        if {*self.feeds_of(symbol)} - HISTORIES != {REST}:
            return None
        with self.readable(CERTIFICATE):
            stated = self._part(self.segments[symbol]).get("interval_ns")
            return None if stated is None else int(stated)

    @cached_property
    def gaps(self) -> "dict[str, dict[str, tuple[Any, Any]]]":
        """The ledger: by symbol and feed, begins and ends as arrays of wall ns, by begin."""
        import numpy as np

        from harvester.reader.arrays import integers

        table = self.ledger()
        names = {name: table.source.columns[name].name for name in ("symbol", "feed", "ts_from", "ts_to")}
        with self.readable(table.path):
            rows = table.file.read([*names.values()])
            begins, ends = (integers(rows.column(names[name])) for name in ("ts_from", "ts_to"))
        symbols, feeds = (rows.column(names[name]).cast(pa.string()).to_pylist() for name in ("symbol", "feed"))
        places: dict[tuple[str, str], list[int]] = {}
        for place, key in enumerate(zip(symbols, feeds, strict=True)):
            places.setdefault(key, []).append(place)
        found: dict[str, dict[str, tuple[Any, Any]]] = {}
        for (symbol, feed), chosen in places.items():
            order = np.array(chosen)[np.argsort(begins[chosen], kind="stable")]
            found.setdefault(symbol, {})[feed] = (begins[order], ends[order])
        return found

    def windows(self, segment: str) -> list[tuple[int, int]]:
        """Recorded windows [open, close) of a segment, wall ns."""
        with self.readable(CERTIFICATE):
            return sorted((int(opens), int(closes)) for opens, closes in self._part(segment)["windows"])

    def _part(self, segment: str) -> dict[str, Any]:
        """Windows and schedule of a segment, as the certificate states them."""
        return dict(self.certificate.get("segments", {CASH: self.certificate}).get(segment, self.certificate))

    @cached_property
    def runs(self) -> list[str]:
        """The recorder's runs of the day, in their order."""
        with self.readable(CERTIFICATE):
            return [str(run["run_id"]) for run in self.certificate["runs"]]

    def tables(self, logical: str) -> "list[Table]":
        """The stored tables with rows of a logical one. Raises ReaderError for one that is listed and not readable."""
        return [
            Table(self, path, logical, schema, source)
            for schema, sources in SOURCES.items()
            for source in sources.get(logical, ())
            for path in self.find(FOLDERS[schema][source.kind])
        ]

    def require(self, logical: str) -> "list[Table]":
        """The same; raises NotRecordedError where there is none."""
        schema = self.manifest.schema
        if logical not in SOURCES[schema]:
            raise NotRecordedError(
                f"{self} has schema {schema}, which has no {logical}. Days that a later release builds have them."
            )
        found = self.tables(logical)
        if not found:
            kinds = sorted({entry.folder for entry in self.manifest.files})
            raise NotRecordedError(
                f"{self} has no {logical}: no feed that gives them was recorded. It has {', '.join(kinds)}."
            )
        return found

    def ledger(self) -> "Table":
        """The gap ledger, which every day has. Raises IncompleteLakeError."""
        for table in self.tables(GAPS):
            return table
        raise IncompleteLakeError(f"{self}: the manifest lists no ledger of gaps.", PULL)


class Table:
    """A stored Parquet table of a day, and how to read it in columns of the table `logical`.

    `scales` has of each column of prices how many units a rupee has, by its logical name.
    """

    def __init__(self, day: Day, path: str, logical: str, schema: int, source: Source) -> None:
        self.day = day
        self.path = path
        self.source = source
        self.file = day.parquet(path)
        stated = day.schema_of(path, self.file)
        if stated != schema:
            raise DamagedFileError(
                f"{day.place.address}/{path} states schema {stated}, and its folder is one of schema {schema}.", AWAY
            )
        if f"open{FINE}" in self.file.schema_arrow.names:
            self.source = source = in_fine_units(source)
        absent = {stored.name for stored in source.columns.values()} - {*self.file.schema_arrow.names}
        if absent:
            raise DamagedFileError(
                f"{day.place.address}/{path} is no table of schema {schema}: column {min(absent)} is missing.", AWAY
            )
        with day.readable(path):
            prices = [name for name, kind in LOGICAL[logical].items() if kind in ("price", "prices")]
            self.scales = {name: self._scale(schema, name) for name in prices if name in source.columns}

    def _scale(self, schema: int, name: str) -> int:
        columns = self.file.schema_arrow
        if schema in SCALE_OF_FILE:
            return int(columns.metadata[b"price_scale"])
        return int(columns.field(self.source.columns[name].name).metadata[b"per_rupee"])

    @property
    def digits(self) -> int:
        """Decimals of its prices."""
        return max((len(str(scale)) - 1 for scale in self.scales.values()), default=2)

    def groups(self, symbol: str) -> list[int]:
        """The row groups that may have rows of a symbol, by their statistics."""
        metadata = self.file.metadata
        place = [metadata.schema.column(at).path for at in range(metadata.num_columns)].index("symbol")
        chosen = []
        for number in range(metadata.num_row_groups):
            statistics = metadata.row_group(number).column(place).statistics
            known = statistics is not None and statistics.has_min_max
            if not known or statistics.min <= symbol <= statistics.max:
                chosen.append(number)
        return chosen

    def rows(self, groups: list[int]) -> int:
        """Rows in these row groups."""
        return sum(self.file.metadata.row_group(number).num_rows for number in groups)
