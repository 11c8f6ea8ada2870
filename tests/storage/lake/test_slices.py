"""Finished files that were made of a large day while it ran: the day is row for row what a close without them makes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.journals import DAY, OPEN_NS
from tests.storage.lake.conftest import StreamedPlace
from tests.storage.lake.sockets import INFY, SBIN, SocketRecorder, moment
from tests.storage.lake.story import Story
from tests.storage.lake.test_parts import build, parts, record, without_parts

from harvester.base.clock import NS_PER_SECOND
from harvester.base.release import release_id
from harvester.commands.close import describe
from harvester.journal.format import FYERS_HSM, FYERS_REST, FYERS_TBT
from harvester.lake import close as close_module
from harvester.lake import slices as slices_module
from harvester.lake.cleanup import delete_files, judge_files
from harvester.lake.layout import folder_of
from harvester.lake.manifest import load_manifest
from harvester.lake.prune import delete_segments, judge_segments
from harvester.lake.publish.receipts import Receipt
from harvester.lake.slices import build_slices
from harvester.lake.tables import deduplication
from harvester.reader import open_lake
from harvester.reader.export import export_csv
from harvester.reader.verify import verify_lake
from runbook.report.query import ask

KINDS = ("depth", "quotes", "trades", "indices", "depth50", "bars", "gaps")


def slice_up(place: StreamedPlace, **changes: Any) -> int:
    """Build parts of what is sealed, and a slice of each."""
    build(place)
    plain: dict[str, Any] = {"release": release_id(), "expectation": place.expectation(), "least_rows": 1}
    plain |= {"settled_ns": 0, **changes}
    return build_slices(journal=place.journal, lake=place.lake, partition=place.partition, **plain)


def files(place: StreamedPlace, kind: str) -> list[Path]:
    manifest = load_manifest(place.lake, place.partition)
    assert manifest
    return [place.lake / entry.path for entry in manifest.files if entry.folder == folder_of(kind)]


def rows(place: StreamedPlace, kind: str) -> pa.Table | None:
    """The rows of a table, those of a symbol in the order in which the files have them."""
    found = [pq.read_table(path, partitioning=None) for path in files(place, kind)]
    if not found:
        return None
    whole = pa.concat_tables([_plain(table) for table in found])
    order = [("symbol", "ascending"), ("place", "ascending")]
    return whole.append_column("place", pa.array(range(len(whole)))).sort_by(order).drop_columns("place")


def _plain(table: pa.Table) -> pa.Table:
    """Names as texts: files have different dictionaries."""
    kinds = [pa.string() if pa.types.is_dictionary(field.type) else field.type for field in table.schema]
    return table.cast(pa.schema(zip(table.schema.names, kinds, strict=True)))


def same_as_without(place: StreamedPlace, **changes: Any) -> StreamedPlace:
    """Close the day, and beside it the same journal without anything built; the latter."""
    plain = without_parts(place)
    assert plain.close(explain="as told", **changes).outcome == "closed"
    assert place.close(explain="as told", **changes).outcome == "closed"
    for kind in KINDS:
        one, other = rows(place, kind), rows(plain, kind)
        assert (one is None) == (other is None), kind
        assert one is None or one.equals(other), kind
    assert place.certificate() == plain.certificate()
    assert verify_lake(place.lake).ok
    return plain


def test_a_day_of_slices_has_the_rows_of_one_without(streamed: StreamedPlace) -> None:
    made: list[int] = []
    record(streamed, lambda: made.append(slice_up(streamed)))
    assert made == [1, 1]
    same_as_without(streamed)
    assert [len(files(streamed, kind)) for kind in ("depth", "quotes", "trades", "depth50")] == [3, 3, 3, 3]


def is_sliced(place: StreamedPlace) -> bool:
    """Whether the closed day has files that slices made."""
    return len(files(place, "quotes")) > 1


@pytest.mark.few
@pytest.mark.parametrize("seed", range(12))
def test_a_day_that_chance_tells_has_the_rows_of_one_without(
    streamed: StreamedPlace, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Of every other one, few updates may wait for their copies."""
    if seed % 2:
        monkeypatch.setattr(deduplication, "MOST_WAITING", 3)
    _tell(streamed, seed)


@pytest.mark.long
@pytest.mark.parametrize("hundred", range(1, 5))
def test_many_days_that_chance_tells(tmp_path: Path, hundred: int) -> None:
    for seed in range(100 * hundred, 100 * hundred + 100):
        place = StreamedPlace(tmp_path / str(seed))
        place.root.mkdir()
        _tell(place, seed)


def _tell(place: StreamedPlace, seed: int) -> None:
    made: list[int] = []
    Story(place, seed, lambda: made.append(slice_up(place, settled_ns=seed % 3 * NS_PER_SECOND))).tell()
    same_as_without(place)


def some(place: StreamedPlace, sealed: Callable[[], object], until: float = 41) -> SocketRecorder:
    """A session of two shares with a segment every ten seconds."""
    recorder = place.sockets()
    recorder.open()
    recorder.connect(0, [SBIN, INFY])
    recorder.snapshots(0, SBIN, INFY)
    for number in range(1, int(until)):
        recorder.at(number)
        recorder.quotes(0, SBIN, number)
        recorder.books(0, INFY, number)
        if number % 10 == 0:
            recorder.writer.seal()
            sealed()
    return recorder


def end(recorder: SocketRecorder) -> None:
    recorder.close()
    recorder.stop()


@pytest.mark.parametrize("what", ["quotes.parquet", "states", "slice"])
@pytest.mark.parametrize("gone", [False, True])
def test_a_slice_that_is_damaged_or_gone_is_made_anew_by_the_close(
    streamed: StreamedPlace, what: str, *, gone: bool
) -> None:
    end(some(streamed, lambda: slice_up(streamed)))
    damaged = parts(streamed) / f"slice-0003.{what}"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    if gone:
        damaged.unlink()
    same_as_without(streamed)
    assert not is_sliced(streamed)


def test_a_gap_that_is_told_later_than_its_slice_was_made_counts(streamed: StreamedPlace) -> None:
    recorder = some(streamed, lambda: slice_up(streamed), 40)
    recorder.lose(SBIN, 15, 25)
    end(recorder)
    same_as_without(streamed)
    assert not is_sliced(streamed)
    trades = rows(streamed, "trades")
    assert trades and "gap" in trades["kind"].to_pylist()


@pytest.mark.parametrize("is_lost", [True, False])
def test_the_close_says_how_many_slices_it_has_not_taken(streamed: StreamedPlace, is_lost: bool) -> None:
    made: list[int] = []
    recorder = some(streamed, lambda: made.append(slice_up(streamed)), 40)
    if is_lost:
        recorder.lose(SBIN, 15, 25)
    end(recorder)

    closing = streamed.close(explain="as told")

    assert sum(made) > 0 and closing.refused_slices == (sum(made) if is_lost else 0)
    said = f"{sum(made)} slices made while the day ran were not taken, because what they rest on has changed"
    assert (said in describe(closing)) == is_lost


@pytest.mark.parametrize(("begin", "until"), [(30.5, 34), (2.5, 2.75)])
def test_gaps_beside_and_between_the_quotes_of_a_slice(streamed: StreamedPlace, begin: float, until: float) -> None:
    """One after its last quote changes nothing; one between two quotes does, however short."""
    recorder = some(streamed, lambda: slice_up(streamed), 31)
    recorder.at(until)
    recorder.lose(SBIN, begin, until)
    end(recorder)
    same_as_without(streamed)
    assert is_sliced(streamed) == (begin > 30)


def test_gaps_that_are_known_when_a_slice_is_made_are_in_it(streamed: StreamedPlace) -> None:
    recorder = some(streamed, lambda: None, 18)
    recorder.lose(SBIN, 12, 14)
    recorder.writer.seal()
    assert slice_up(streamed) == 2
    end(recorder)
    same_as_without(streamed)
    assert is_sliced(streamed)


def test_a_break_of_the_numbers_within_a_slice_is_a_gap_of_the_day(streamed: StreamedPlace) -> None:
    recorder = streamed.sockets()
    recorder.open((FYERS_HSM, FYERS_TBT))
    recorder.connect(0, [SBIN], FYERS_TBT)
    for at, sequence, is_snapshot in ((0, 1, True), (4, 2, False), (8, 9, False), (12, 10, True), (16, 12, False)):
        recorder.at(at)
        recorder.book50(0, SBIN, at, sequence=sequence, snapshot=is_snapshot)
    recorder.writer.seal()
    assert slice_up(streamed) == 1
    recorder.at(20)
    recorder.book50(0, SBIN, 20, sequence=13)
    end(recorder)
    same_as_without(streamed)
    assert len(files(streamed, "depth50")) == 2
    breaks = [lost for lost in streamed.lost(SBIN, "fyers-tbt") if lost[2] == "sequence_break"]
    assert breaks == [(4, 12, "sequence_break"), (12, 100, "sequence_break")]


def test_a_clock_that_is_set_back_behind_a_slice_has_the_close_make_it_anew(streamed: StreamedPlace) -> None:
    recorder = some(streamed, lambda: slice_up(streamed), 31)
    streamed.clock.now_ns -= 5 * NS_PER_SECOND
    recorder.quotes(0, SBIN, 31)
    recorder.writer.seal()
    assert slice_up(streamed) == 0
    end(recorder)
    same_as_without(streamed)
    assert not is_sliced(streamed)


def test_windows_that_change_have_the_close_make_the_slices_anew(streamed: StreamedPlace) -> None:
    recorder = some(streamed, lambda: slice_up(streamed), 31)
    recorder.control("window_open", open_ns=OPEN_NS, close_ns=moment(15), interval_ns=None, feeds=[2])
    recorder.control("window_close", open_ns=OPEN_NS, close_ns=moment(15))
    recorder.stop()
    same_as_without(streamed, windows=((OPEN_NS, moment(15)),))
    assert not is_sliced(streamed)
    quotes = rows(streamed, "quotes")
    assert quotes and {*quotes["in_session"].to_pylist()} == {True, False}


@pytest.mark.parametrize(("settled", "expected"), [(0, [1] * 6 + [0] * 5), (12, [0] * 3 + [1] * 6 + [0] * 2)])
def test_slices_end_where_polls_begin(streamed: StreamedPlace, settled: int, expected: list[int]) -> None:
    """Also where polls are due, and none came, when a slice of before is made."""
    made: list[int] = []
    recorder = streamed.sockets(polled=(SBIN,))
    recorder.open((FYERS_HSM, FYERS_REST))
    recorder.connect(0, [SBIN, INFY])
    recorder.snapshots(0, SBIN, INFY)
    for number in range(1, 12):
        recorder.at(5 * number)
        recorder.quotes(0, SBIN, number)
        if number == 6:
            recorder.control("polling", from_ns=streamed.clock.now_ns, interval_ns=5 * NS_PER_SECOND)
        if number in (7, 8) and not settled:
            recorder.poll(number, SBIN)
        recorder.writer.seal()
        made.append(slice_up(streamed, settled_ns=settled * NS_PER_SECOND))
    end(recorder)
    same_as_without(streamed)
    assert made == expected
    assert len(files(streamed, "quotes")) == 7


def test_a_slice_is_made_of_what_has_settled_and_is_enough(streamed: StreamedPlace) -> None:
    made: list[int] = []
    end(some(streamed, lambda: made.append(slice_up(streamed, least_rows=30, settled_ns=10 * NS_PER_SECOND)), 90))
    assert made == [0, 0, 1, 0, 1, 0, 1, 0]
    same_as_without(streamed)
    assert len(files(streamed, "quotes")) == 4


STEPS = ("begin", "end", "write")


@pytest.mark.parametrize("step", STEPS)
def test_a_build_that_is_killed_while_it_slices_costs_nothing(
    streamed: StreamedPlace, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, step: str
) -> None:
    """Before the rows, before the files are whole, and before the slice counts."""

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def build_and_die() -> None:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            if step == "begin":
                patch.setattr(slices_module.Streams, "take_part", die)
            elif step == "end":
                patch.setattr(slices_module.TableFiles, "end", die)
            else:
                patch.setattr(slices_module, "_describe", die)
            slice_up(streamed)

    recorder = some(streamed, build_and_die, 21)
    killed = StreamedPlace(tmp_path_factory.mktemp("killed"), streamed.clock)
    shutil.copytree(streamed.root, killed.root, dirs_exist_ok=True)
    assert slice_up(streamed) == 2
    end(recorder)
    same_as_without(streamed)
    assert is_sliced(streamed)
    shutil.rmtree(killed.journal)
    shutil.copytree(streamed.journal, killed.journal)
    same_as_without(killed)


def test_rows_that_a_killed_build_left_beside_its_slice_go(
    streamed: StreamedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(slices_module, "_remove_rows", lambda *_: None)
        recorder = some(streamed, lambda: slice_up(streamed), 21)
    first, *rest = parts(streamed).glob("*.rows")
    assert rest
    first.unlink()  # it was killed while it removed them
    assert slice_up(streamed) == 0
    assert not list(parts(streamed).glob("*.rows"))
    end(recorder)
    same_as_without(streamed)
    assert is_sliced(streamed)


def test_a_close_that_is_killed_before_its_manifest_does_not_lose_the_slices(
    streamed: StreamedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    end(some(streamed, lambda: slice_up(streamed)))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(close_module, "write_manifest", die)
        streamed.close()
    assert list(parts(streamed).glob("slice-*.parquet"))
    same_as_without(streamed)
    assert not list(streamed.lake.rglob("*.tmp"))


def test_slices_of_another_release_are_not_taken(streamed: StreamedPlace) -> None:
    recorder = some(streamed, lambda: None, 21)
    build(streamed, release="of-yesterday")
    assert slice_up(streamed, release="of-yesterday") == 0  # its parts are of this release
    (first, *_) = sorted(parts(streamed).glob("*.state"))
    assert first.exists()
    end(recorder)
    same_as_without(streamed)


def test_readers_meet_each_row_of_a_sliced_day_once_and_in_order(streamed: StreamedPlace) -> None:
    end(some(streamed, lambda: slice_up(streamed)))
    plain = same_as_without(streamed)
    lakes = [open_lake(place.lake) for place in (streamed, plain)]
    for name in ("depth", "quotes", "trades", "bars"):
        one, other = (getattr(lake, name)([SBIN, INFY], DAY, session="all").arrow() for lake in lakes)
        assert one.num_rows and one.equals(other), name
    for question in (
        "select symbol, count(*), sum(volume), sum(seq) from quotes group by symbol order by symbol",
        "select symbol, count(*), sum(bid_px_paise_1), sum(seq) from depth group by symbol order by symbol",
    ):
        assert ask(question, streamed.lake).to_csv() == ask(question, plain.lake).to_csv()


def test_a_rebuild_takes_the_place_of_slices(streamed: StreamedPlace) -> None:
    end(some(streamed, lambda: slice_up(streamed)))
    plain = same_as_without(streamed)
    assert streamed.close(rebuild=True).outcome == "closed"
    assert [path.name.split("-g")[0] for path in files(streamed, "quotes")] == ["quotes_v3"]
    one, other = rows(streamed, "quotes"), rows(plain, "quotes")
    assert one and other and one.equals(other)
    report = verify_lake(streamed.lake)
    assert report.ok and not report.unlisted


def test_what_comes_after_the_close_takes_a_day_of_slices_as_any_other(streamed: StreamedPlace, tmp_path: Path) -> None:
    """The export has the same lines; pruning and clean-up leave nothing of it; the day stays proven."""
    record(streamed, lambda: slice_up(streamed))
    plain = same_as_without(streamed)
    for name, place in (("sliced", streamed), ("plain", plain)):
        export_csv(place.lake, DAY, tmp_path / name, every_ns=10 * NS_PER_SECOND)
    written, expected = sorted((tmp_path / "sliced").iterdir()), sorted((tmp_path / "plain").iterdir())
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in expected] != []

    delete_segments(judge_segments(streamed.journal, streamed.lake))
    assert list(streamed.journal.glob("2*/*.seg")) == []
    manifest = load_manifest(streamed.lake, streamed.partition)
    assert manifest and is_sliced(streamed)
    receipt = Receipt("elsewhere", {entry.path: entry.sha256 for entry in manifest.files})
    findings = judge_files(streamed.lake, streamed.journal, receipt, 0)
    assert {each.keep_because for each in findings} == {None}
    delete_files(streamed.lake, findings, receipt)
    report = verify_lake(streamed.lake)
    assert report.ok and report.days[0].removed == len(findings) > 12
