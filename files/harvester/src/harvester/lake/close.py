"""`harvester close`: build the lake of closed trading days from the journal.

A day is built when its windows are over and no segment with data is open. The manifest is written last: without it
the day is not closed, and the next run builds it again. A closed day is built again only when the journal has more
segments of it, or a file of it is missing, or its certificate is damaged; that is a new generation, and the replaced
files move to superseded/.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.market import in_force, to_local
from harvester.base.release import release_id
from harvester.calendar import NSE_CASH, PhaseName, TradingCalendar
from harvester.calendar.segments import in_order
from harvester.config.feeds import STREAM
from harvester.config.rules import kept_symbols
from harvester.config.segments import find_segments
from harvester.journal.format import FEED_NAMES, FYERS_HSM, FYERS_REST, FYERS_TBT, SCHWAB_STREAM, day_directory
from harvester.journal.lock import is_locked
from harvester.lake.build import build_day
from harvester.lake.certificate.streams import Json
from harvester.lake.day.candles import CandlesExpected
from harvester.lake.day.earlier import find_earlier
from harvester.lake.day.intervals import Interval
from harvester.lake.day.model import Day, Expectation, read_day
from harvester.lake.day.quarantine import find_kept
from harvester.lake.day.segments import find_sources, read_index
from harvester.lake.explained import Explanation, explained_before
from harvester.lake.layout import CERTIFICATE, RAW, Partition, find_partitions
from harvester.lake.manifest import (
    FileEntry,
    Manifest,
    SegmentEntry,
    hash_file,
    load_manifest,
    make_manifest,
    read_removals,
    self_hash_of,
    write_manifest,
)
from harvester.lake.publish.archive import Form
from harvester.lake.publish.files import locked, names_after, set_superseded_aside
from harvester.lake.tables.part_files import read_slices, remove_parts, segments_before
from harvester.lake.tables.prepared import taking_parts

if TYPE_CHECKING:
    from harvester.config.settings import Settings

LOOK_BACK_DAYS = 31
CLOSED, UNCHANGED, NOTHING = "closed", "unchanged", "nothing"


@dataclass(frozen=True)
class Closing:
    """Result of closing a day: "closed" now, "unchanged" if closed before, "nothing" without data and windows."""

    partition: Partition
    outcome: str
    manifest: Manifest | None = None
    certificate: Json | None = None
    refused_slices: int = 0
    """How many slices were there and not taken: the close took as long as without them."""


class NotOverError(HarvesterError):
    """A window of the day has not ended."""


def close_day(
    *,
    journal: Path,
    lake: Path,
    partition: Partition,
    expectation: Expectation,
    now_ns: int,
    rebuild: bool = False,
    form: Form = Form.ZSTD,
    explain: str = "",
) -> Closing:
    """Close one day; `form` is that of the segments that are archived now, `now_ns` wall ns.

    `explain` is what a person says of what is recorded and not decoded; what was said of a closed day holds when it is
    built again. Raises NotOverError before its last window ends, HarvesterError when it cannot be built.
    """
    with locked(lake), _explaining(partition):
        before = load_manifest(lake, partition)
        _check_market(before, partition)
        sources = find_sources(day_directory(journal, partition.date), lake / partition.path(RAW))
        index = read_index(sources, segments_before(lake, partition.date, release_id()))
        earlier = find_earlier(journal, lake, partition, index)
        day = read_day(partition, index, expectation, earlier, find_kept(journal, partition.date))
        _check_over(day, now_ns)
        _check_sealed(day, journal)
        if not before and not day.windows and not any(source.data_records for source in sources):
            return Closing(partition, NOTHING)
        if before and not _must_build(lake, day, before, rebuild):
            set_superseded_aside(lake, before, partition)
            return Closing(partition, UNCHANGED, before)
        names = names_after(lake, partition, before)
        explanation = Explanation(explain) if explain else explained_before(lake, before)
        with taking_parts(lake, partition.date, release_id()) as prepared:
            files, certificate = build_day(
                *(lake, day, expectation, names, before, prepared),
                release=release_id(),
                form=form,
                explanation=explanation,
            )
            refused = 0 if prepared.sliced else len(read_slices(prepared.folder, prepared.release))
        supersedes = self_hash_of(lake, partition) if before else None
        manifest = make_manifest(partition, names.generation, files, _segments(day), supersedes)
        write_manifest(lake, partition, manifest)
        set_superseded_aside(lake, manifest, partition)
        remove_parts(lake, partition.date)
    return Closing(partition, CLOSED, manifest, certificate, refused)


@contextmanager
def _explaining(partition: Partition) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HarvesterError(
            f"{partition.date}: the day cannot be closed: {error.filename or 'a new file'}: {error.strerror}. The"
            " journal keeps everything; free disk space or correct owners and modes, then run the command again."
        ) from error


def _check_market(before: Manifest | None, partition: Partition) -> None:
    if before and before.market != in_force().name:
        raise HarvesterError(
            f"{partition.date}: the lake has this day of {partition.host}, of the market {before.market}, and this host"
            f" records {in_force().name}. Nothing is changed. Give the host another host_id, or data_dir, in its"
            " configuration."
        )


def _segments(day: Day) -> tuple[SegmentEntry, ...]:
    return tuple(
        SegmentEntry(source.name, source.bytes, source.sha256, source.records)
        for source in day.index.sources
        if not source.is_open
    )


def _check_over(day: Day, now_ns: int) -> None:
    end = max([day.candles.settles_ns, *(closes for _, closes in day.windows)])
    if now_ns < end:
        raise NotOverError(
            f"{day.partition.date}: the session goes on until {to_local(end):%H:%M:%S %Z}. Close the day then."
        )


def _check_sealed(day: Day, journal: Path) -> None:
    """Refuse an open segment with data. An open one with control records only is read now, and archived later."""
    for source in day.index.sources:
        if source.is_open and source.data_records:
            advice = (
                "The recorder is still writing it, and seals it when its window closes: run the command again then."
                if is_locked(journal)
                else "Its run died: start the recorder, which seals it, or run harvester recover."
            )
            raise HarvesterError(f"{source.path}: the segment is not sealed, so the day is not complete. {advice}")


def _must_build(lake: Path, day: Day, before: Manifest, rebuild: bool) -> bool:
    known = {segment.name: segment.sha256 for segment in before.segments}
    here = {segment.name: segment.sha256 for segment in _segments(day)}
    altered = sorted(name for name in known.keys() & here.keys() if known[name] != here[name])
    if altered:
        raise HarvesterError(
            f"{day.partition.date}: segment {altered[0]} is not what it was when the day was closed. Nothing was"
            " changed. Look for the other copy in the journal or under raw/ in the lake, and move the damaged one away."
        )
    removed = {entry.path for entry in read_removals(lake, day.partition)}
    lost = [entry.path for entry in before.files if entry.path not in removed and _is_lost(lake / entry.path, entry)]
    if not (rebuild or lost or here.keys() - known.keys()):
        return False
    gone = sorted(known.keys() - here.keys())
    if gone:
        raise HarvesterError(
            f"{day.partition.date}: {len(gone)} segments of the closed day are no longer here (first: {gone[0]}),"
            " so building it again would lose their data. Bring their archived copies back from where they were pulled"
            f" to, under {day.partition.path(RAW)} in the lake, then run the command again."
        )
    return True


def _is_lost(path: Path, entry: FileEntry) -> bool:
    """Whether a file is gone; the certificate, which is small, also when it is not what it was."""
    if not path.exists():
        return True
    return entry.path.startswith(f"{CERTIFICATE}/") and hash_file(path) != (entry.bytes, entry.sha256)


def expect_day(settings: "Settings", calendar: TradingCalendar, day: date) -> Expectation:
    """What settings and calendar demand of a day."""
    settings = _with_rules_of(settings, day)
    poll, feeds = settings.poll, settings.feeds
    sockets: dict[int, tuple[str, ...]] = {
        FYERS_HSM: settings.symbols_of("fyers-hsm") if FEED_NAMES[FYERS_HSM] in feeds else (),
        FYERS_TBT: settings.tbt.symbols if FEED_NAMES[FYERS_TBT] in feeds else (),
        **({SCHWAB_STREAM: settings.symbols_of(STREAM)} if STREAM in feeds else {}),
    }
    polled = FEED_NAMES[FYERS_REST] in feeds
    segments = find_segments(settings)
    calendars = {name: calendar.of(name) for name in in_order(segments.values()) if name in calendar.segments}
    windows: dict[str, tuple[Interval, ...]] = {
        segment: tuple(each.windows(day, settings.calendar.phases)) for segment, each in calendars.items()
    }
    sessions = {segment: each.session(day) for segment, each in calendars.items()}
    own = windows.pop(NSE_CASH, ())
    return Expectation(
        symbols=settings.symbols if polled else (),
        windows=own,
        segments={symbol: segment for symbol, segment in segments.items() if segment != NSE_CASH},
        segment_windows=windows,
        phases={segment: session.phases for segment, session in sessions.items() if session},
        masters=settings.master_dir,
        interval_ns=poll.interval_ns if polled and poll.when == "always" else None,
        grace_ns=poll.interval_ns + round(poll.timeout * NS_PER_SECOND),
        sockets=sockets,
        candles=CandlesExpected(
            settings.symbols_of(settings.history) if settings.history in feeds else (),
            settings.candles.width_ns,
            settings.candles.final_after_ns,
            settings.calendar.phases,
        ),
    )


def _with_rules_of(settings: "Settings", day: date) -> "Settings":
    """The settings with what rules stood for on the day, in place of what they stand for now."""
    if not settings.rules:
        return settings
    now, then = kept_symbols(settings.master_dir), kept_symbols(settings.master_dir, day.isoformat())
    tickers = [symbol for symbol in settings.symbols if symbol not in now]
    return replace(settings, symbols=tuple(dict.fromkeys((*tickers, *then))))


def pending_days(
    journal: Path,
    lake: Path,
    host: str,
    calendars: Iterable[TradingCalendar],
    phases: tuple[PhaseName, ...],
    today: date,
) -> list[date]:
    """Days up to `today` with segments that their manifest does not list, and trading days without a manifest."""
    closed = [partition.date for partition in find_partitions(lake) if partition.host == host]
    recorded = [day for day in _journal_days(journal) if day <= today]
    earliest = max(min([*closed, *recorded, today]), today - timedelta(days=LOOK_BACK_DAYS))
    span = (earliest + timedelta(days=number) for number in range((today - earliest).days + 1))
    open_days = (day for day in span if day not in closed)
    missed = {day for day in open_days if any(calendar.windows(day, phases) for calendar in calendars)}
    fresh = {day for day in recorded if _has_news(journal, lake, Partition(day, host))}
    return sorted(missed | fresh)


def is_due_today(
    lake: Path, host: str, calendars: Iterable[TradingCalendar], phases: tuple[PhaseName, ...], today: date
) -> bool:
    """Whether today has not been closed since its last window: what comes after that is taken in tomorrow."""
    partition = Partition(today, host)
    if load_manifest(lake, partition) is None:
        return True
    last_ns = max((closes for each in calendars for _, closes in each.windows(today, phases)), default=0)
    return (lake / partition.manifest).stat().st_mtime_ns < last_ns


def _journal_days(journal: Path) -> list[date]:
    days = []
    for path in sorted(journal.glob("????-??-??")):
        try:
            days.append(date.fromisoformat(path.name))
        except ValueError:
            continue  # an unlisted file, which recovery reports
    return days


def _has_news(journal: Path, lake: Path, partition: Partition) -> bool:
    manifest = load_manifest(lake, partition)
    known = {segment.name for segment in manifest.segments} if manifest else set()
    return any(path.stem not in known for path in day_directory(journal, partition.date).glob("*.seg"))
