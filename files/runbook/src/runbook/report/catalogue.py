"""What a pulled lake holds, by its manifests: the days, the hosts, the files, the certificates.

Only files that a manifest names are data. Anything else in the directory is unlisted and never read.
"""

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from harvester.base.errors import ConfigError, HarvesterError
from harvester.lake.certificate.damage import tell_damage
from harvester.lake.layout import CERTIFICATE, find_partitions
from harvester.lake.manifest import DamagedManifestError, Manifest, load_manifest

PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class PulledDay:
    """One day of one host: its manifest and its certificate."""

    date: date
    host: str
    manifest: Manifest
    certificate: dict[str, Any]

    @property
    def damage(self) -> list[str]:
        """What is wrong with its journal, in sentences."""
        return tell_damage(self.certificate) if "journal" in self.certificate else []


def load_days(lake: Path, *, since: date | None = None, until: date | None = None) -> list[PulledDay]:
    """The days here, oldest first; HarvesterError when a manifest or a certificate is damaged."""
    days = []
    for partition in find_partitions(lake):
        if (since and partition.date < since) or (until and until < partition.date):
            continue
        try:
            manifest = load_manifest(lake, partition)
        except DamagedManifestError as error:
            raise HarvesterError(damaged_manifest(error)) from None
        if manifest:
            days.append(PulledDay(partition.date, partition.host, manifest, _certificate(lake, manifest)))
    return days


def damaged_manifest(error: DamagedManifestError) -> str:
    """The message where the lake was pulled to."""
    return f"{error.what} `./inv pull-data` downloads it again."


def require_days(lake: Path, days: list[PulledDay]) -> list[PulledDay]:
    """The same days; ConfigError with the way out when there is none."""
    if not days:
        raise ConfigError(
            f"{lake} holds no closed day of that range. Download data with `./inv pull-data`, or name another lake "
            "with --lake."
        )
    return days


def files_by_schema(lake: Path, days: Iterable[PulledDay], tables: Iterable[str]) -> dict[int, dict[str, list[Path]]]:
    """The files of these tables that are here, by the version of their schema; HarvesterError for one not Parquet."""
    found: dict[int, dict[str, list[Path]]] = {}
    named = [(day.manifest, table) for table in tables for day in days]
    for manifest, table in named:
        for file in manifest.find(table):
            path = lake / file.path
            if path.exists():
                check_parquet(path)
                found.setdefault(manifest.schema, {}).setdefault(table, []).append(path)
    return found


def check_parquet(path: Path) -> None:
    """HarvesterError when the file does not begin and end as Parquet does, saying what it looks like instead."""
    with path.open("rb") as file:
        head = file.read(256)
        file.seek(max(0, path.stat().st_size - 4))
        tail = file.read(4)
    if head[:4] == PARQUET_MAGIC and tail == PARQUET_MAGIC:
        return
    looks = "CSV" if b"," in head and b"\n" in head and head.isascii() else "something else"
    if head[:4] == PARQUET_MAGIC:
        looks = "a Parquet file that was cut short"
    raise HarvesterError(
        f"{path} should be a Parquet file and looks like {looks}. Run `./inv verify-data` to see what else is wrong, "
        "move the file away, and `./inv pull-data` downloads the right one."
    )


def known_symbols(days: Iterable[PulledDay]) -> list[str]:
    """Every symbol that a certificate of these days names, sorted."""
    return sorted({symbol for day in days for symbol in (*day.certificate["symbols"], *streamed_symbols(day))})


def streamed_symbols(day: PulledDay) -> set[str]:
    """The symbols of sockets, whether updates came or not."""
    return {symbol for figures in day.certificate.get("streams", {}).values() for symbol in figures["symbols"]}


SYMBOLS = "`./inv query 'select distinct symbol from certificate'`"


def check_symbols(wanted: Iterable[str], days: Iterable[PulledDay]) -> None:
    """ConfigError for a symbol that none of these days has, with the nearest ones that they have."""
    known = known_symbols(days)
    for symbol in wanted:
        if symbol in known:
            continue
        near = difflib.get_close_matches(symbol, known, n=3, cutoff=0.4) or known[:3]
        raise ConfigError(
            f"No data here is of symbol {symbol!r}. Symbols are written as the broker does, such as "
            f"{', '.join(near) or 'NSE:SBIN-EQ'}; {SYMBOLS} lists them all."
        )


def _certificate(lake: Path, manifest: Manifest) -> dict[str, Any]:
    for file in manifest.find(CERTIFICATE):
        path = lake / file.path
        if path.exists():
            try:
                content = json.loads(path.read_bytes())
                _ = content["symbols"], content["windows"]
            except (ValueError, KeyError, TypeError) as error:
                raise HarvesterError(
                    f"{path} is no readable certificate ({error}). Move it away; `./inv pull-data` downloads it again."
                ) from error
            return dict(content)
    return {"symbols": {}, "windows": []}
