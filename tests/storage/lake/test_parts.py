"""Parts that were made while the day ran: the close makes the same files of them as without, or does not take them."""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.journals import DAY, OPEN_NS
from tests.recorder.fakes import make_config
from tests.storage.lake.conftest import StreamedPlace
from tests.storage.lake.sockets import INFY, NIFTY, SBIN, SocketRecorder, ids_of, moment, quote

from exchange.wire import hsm
from harvester.base.clock import SystemClock
from harvester.base.release import release_id
from harvester.base.validation import validate
from harvester.commands import build as build_command
from harvester.config.settings import Settings
from harvester.decode.fyers_hsm import HsmDecoder
from harvester.decode.fyers_tbt import TbtDecoder
from harvester.journal.format import FYERS_HSM, FYERS_TBT
from harvester.lake.prepare import AT_WORK, BUILT, NO_ROOM, build_parts
from harvester.lake.publish.archive import Form
from harvester.lake.tables import part_files
from harvester.lake.tables.origin import MOST_NOTICES

Built = tuple[str, int]


def build(place: StreamedPlace, **changes: Any) -> Built:
    plain: dict[str, Any] = {"release": release_id(), "form": Form.ZSTD, "reserve_bytes": 0}
    return build_parts(journal=place.journal, lake=place.lake, partition=place.partition, **{**plain, **changes})


def parts(place: StreamedPlace) -> Path:
    return part_files.folder_of_day(place.lake, DAY)


def files(place: StreamedPlace) -> list[tuple[str, str]]:
    """Path and hash of all that closing the day makes."""
    closing = place.close(explain="as told")
    assert closing.manifest is not None
    return [(entry.path, entry.sha256) for entry in closing.manifest.files]


def without_parts(place: StreamedPlace) -> StreamedPlace:
    """The same journal beside a lake in which nothing was built."""
    other = StreamedPlace(place.root / "other", place.clock)
    shutil.copytree(place.journal, other.journal)
    return other


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames each call of a decoder of a socket had."""
    calls: list[int] = []

    def watch(kind: type[HsmDecoder | TbtDecoder]) -> None:
        plain = kind.decode

        def decode(self: Any, frames: Any) -> Any:
            calls.append(len(frames))
            return plain(self, frames)

        monkeypatch.setattr(kind, "decode", decode)

    watch(HsmDecoder)
    watch(TbtDecoder)
    return calls


def record(place: StreamedPlace, sealed: Callable[[], object], **options: Any) -> SocketRecorder:
    """A session of three segments: connections that go on across them, one that breaks, a pair, both sockets.

    `sealed` is called after each of the first two.
    """
    recorder = place.sockets(**options)
    recorder.open((FYERS_HSM, FYERS_TBT))
    recorder.connect(0, [SBIN, INFY, NIFTY])
    recorder.connect(1, [SBIN, INFY, NIFTY])
    recorder.connect(0, [SBIN], FYERS_TBT)
    recorder.quotes(0, SBIN, 3)  # before its snapshot
    recorder.snapshots(0, SBIN, INFY, NIFTY)
    recorder.snapshots(1, SBIN, INFY, NIFTY)
    recorder.book50(0, SBIN, 0, snapshot=True)
    recorder.frame(FYERS_HSM, 1, b"\x00\x01\xee")  # of no known type
    for number in range(1, 10):
        recorder.at(number)
        recorder.books(0, SBIN, number, number + 1)
        recorder.books(1, SBIN, number, number + 1)
        recorder.quotes(0, INFY, number)
    recorder.writer.seal()
    sealed()
    recorder.at(20)
    partial = [None] * 20 + [72_001]
    recorder.entries(0, hsm.update(ids_of(INFY)["sf"], partial))  # all else is of the segment before
    recorder.books(1, INFY, 20)
    recorder.control("disconnect", feed=FYERS_HSM, stream=0, cause="disconnect", detail="as told")
    recorder.at(24)
    recorder.connect(0, [SBIN, INFY, NIFTY])
    recorder.snapshots(0, INFY, SBIN, NIFTY, number=24)
    recorder.book50(0, SBIN, 1)
    recorder.writer.seal()
    sealed()
    recorder.at(30)
    recorder.books(0, INFY, 30)
    recorder.entries(1, hsm.update(ids_of(SBIN)["sf"], quote(31)))
    recorder.book50(0, SBIN, 2)
    recorder.close()
    recorder.stop()
    return recorder


def test_a_day_with_parts_becomes_the_same_files_as_one_without(streamed: StreamedPlace, decoded: list[int]) -> None:
    built: list[Built] = []
    record(streamed, lambda: built.append(build(streamed)))
    plain = without_parts(streamed)
    expected = files(plain)
    in_all = sum(decoded)
    assert built == [(BUILT, 1), (BUILT, 1)]
    assert len(list((parts(streamed) / part_files.RAW).iterdir())) == 2

    decoded.clear()
    assert files(streamed) == expected
    assert sum(decoded) == 3 < in_all  # the frames of the last segment
    assert streamed.certificate() == plain.certificate()
    assert not parts(streamed).exists()


def test_books_of_50_levels_and_their_numbers_go_on_from_segment_to_segment(
    streamed: StreamedPlace, decoded: list[int]
) -> None:
    """Each message has three levels of a side, so a book is of all before it; a number is missing between segments."""
    recorder = streamed.sockets()
    recorder.open((FYERS_TBT,))
    recorder.connect(0, [SBIN, INFY], FYERS_TBT)
    for symbol in (SBIN, INFY):
        recorder.book50(0, symbol, 0, snapshot=True)
    recorder.book50(0, SBIN, 1)
    recorder.writer.seal()
    built = [build(streamed)]
    recorder.at(10)
    recorder.book50(0, SBIN, 2)
    recorder.book50(0, INFY, 2, sequence=5)
    recorder.writer.seal()
    built.append(build(streamed))
    recorder.at(20)
    recorder.book50(0, SBIN, 3)
    recorder.book50(0, INFY, 3)
    recorder.close()
    recorder.stop()
    plain = without_parts(streamed)
    expected = files(plain)

    decoded.clear()
    assert built == [(BUILT, 1), (BUILT, 1)]
    assert files(streamed) == expected
    assert sum(decoded) == 2
    assert streamed.certificate() == plain.certificate()
    assert [streamed.facts(symbol, "fyers-tbt")["sequence"]["missing"] for symbol in (SBIN, INFY)] == [0, 3]
    last = [streamed.table("depth50", symbol)[-1] for symbol in (SBIN, INFY)]
    assert [row["valid"] for row in last] == [True, False]
    assert [row["bid_qty"][:4] for row in last] == [[13, 14, 15, 13]] * 2


def test_a_run_and_a_symbol_that_come_later_do_not_cost_the_parts_of_before(
    streamed: StreamedPlace, decoded: list[int]
) -> None:
    first = streamed.sockets()
    first.open()
    first.connect(0, [SBIN])
    first.snapshots(0, SBIN)
    first.at(10)
    first.quotes(0, SBIN, 1)
    first.stop()
    assert build(streamed) == (BUILT, 1)
    second = streamed.sockets()
    second.at(20)
    second.connect(0, [INFY, SBIN])  # INFY is before SBIN in the tables, and gets its number
    second.snapshots(0, INFY, SBIN, number=20)
    second.writer.seal()
    assert build(streamed) == (BUILT, 1)
    second.at(30)
    second.quotes(0, INFY, 30)
    second.close()
    second.stop()
    expected = files(without_parts(streamed))

    decoded.clear()
    assert files(streamed) == expected
    assert sum(decoded) == 1


def test_parts_of_another_release_are_not_taken_nor_gone_on_with(streamed: StreamedPlace, decoded: list[int]) -> None:
    """Neither after an upgrade between two builds, nor after a rollback."""
    releases = iter(["of-today", release_id()])
    built: list[Built] = []
    record(streamed, lambda: built.append(build(streamed, release=next(releases))))
    assert built == [(BUILT, 1), (BUILT, 2)]
    plain = without_parts(streamed)
    expected = files(plain)
    decoded.clear()
    assert files(streamed) == expected
    assert sum(decoded) == 3

    shutil.rmtree(streamed.lake)
    build(streamed, release="of-yesterday")
    decoded.clear()
    assert files(streamed) == expected
    assert sum(decoded) > 3


@pytest.mark.parametrize("what", ["rows", "part", "state", "zst", "swapped"])
def test_a_part_that_is_damaged_or_of_another_segment_is_made_anew_by_the_close(
    streamed: StreamedPlace, what: str
) -> None:
    record(streamed, lambda: build(streamed))
    expected = files(without_parts(streamed))
    folder = parts(streamed)
    if what == "swapped":
        first, second = sorted(folder.glob("*.part"))
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)
        assert files(streamed) == expected
        return
    damaged = sorted(folder.rglob(f"*.{what}"))[0]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    assert files(streamed) == expected


def test_what_only_the_whole_day_can_tell_is_left_to_the_close(streamed: StreamedPlace) -> None:
    """A topic that another connection's record names, and frames without a connect record."""
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN], topics={})
    recorder.snapshots(0, SBIN)
    recorder.writer.seal()
    built = [build(streamed)]
    recorder.at(20)
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN, number=20)
    recorder.writer.seal()
    built.append(build(streamed))
    recorder.stop()
    alone = streamed.sockets()
    alone.snapshots(2, INFY)
    alone.close()
    alone.stop()
    built.append(build(streamed))
    assert built == [(BUILT, 0), (BUILT, 0), (BUILT, 0)]
    expected = files(without_parts(streamed))
    assert files(streamed) == expected


def test_of_what_a_server_said_as_much_is_kept_as_without_parts(streamed: StreamedPlace) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    for number in range(30):
        recorder.frame(FYERS_HSM, 0, hsm.notice(number, "told", 4))
        if number in (14, 29):
            recorder.writer.seal()
            assert build(streamed) == (BUILT, 1)
    recorder.close()
    recorder.stop()
    expected = files(without_parts(streamed))
    assert files(streamed) == expected
    notices = streamed.certificate()["streams"]["fyers-hsm"]["notices"]
    assert notices == [f"{number}: told" for number in range(MOST_NOTICES)]


def test_a_run_of_the_day_before_is_left_to_the_close(streamed: StreamedPlace) -> None:
    streamed.clock.now_ns = OPEN_NS - 12 * 3_600 * 10**9
    recorder = streamed.sockets()
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    recorder.at(0)
    recorder.open()
    recorder.books(0, SBIN, 1)
    recorder.writer.seal()
    assert build(streamed) == (BUILT, 0)
    recorder.close()
    recorder.stop()
    expected = files(without_parts(streamed))
    assert files(streamed) == expected


def test_without_room_nothing_is_built_and_what_was_goes(streamed: StreamedPlace) -> None:
    found: list[Built] = []

    def fill() -> None:
        found.append(build(streamed, reserve_bytes=1 << 60 if found else 0))

    record(streamed, fill)
    assert found == [(BUILT, 1), (NO_ROOM, 0)]
    assert not parts(streamed).exists()
    expected = files(without_parts(streamed))
    assert files(streamed) == expected


@pytest.mark.parametrize(("lacks", "outcome"), [(0, (BUILT, 3)), (1, (NO_ROOM, 0))])
def test_room_is_what_the_close_needs_and_the_reserve_beside_it(
    streamed: StreamedPlace, monkeypatch: pytest.MonkeyPatch, lacks: int, outcome: Built
) -> None:
    recorder = streamed.sockets()
    recorder.open()
    recorder.writer.seal()
    recorder.at(1)
    recorder.close()
    recorder.stop()
    journal = sum(path.stat().st_size for path in streamed.journal.glob("*/*.seg"))
    free = SimpleNamespace(free=journal + 10_000 - lacks)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    assert build(streamed, reserve_bytes=10_000) == outcome


@pytest.mark.parametrize("silent", [0, 1])
def test_of_a_connection_the_last_message_of_any_part_counts(streamed: StreamedPlace, silent: int) -> None:
    """Of one that ends with its run, in whose later segments the other connection alone has messages."""
    recorder = streamed.sockets()
    recorder.open()
    recorder.connect(0, [SBIN])
    recorder.connect(1, [INFY])
    recorder.at(1)
    recorder.snapshots(0, SBIN)
    recorder.snapshots(1, INFY)
    for seconds in (5, 10):
        recorder.at(seconds)
        recorder.books(1 - silent, (INFY, SBIN)[silent], seconds)
        recorder.writer.seal()
        assert build(streamed) == (BUILT, 1)
    recorder.writer.close()
    expected = files(without_parts(streamed))
    assert files(streamed) == expected
    assert 1 in [begin for begin, *_ in streamed.lost((SBIN, INFY)[silent])]


def test_nothing_is_built_while_another_holds_the_parts(streamed: StreamedPlace) -> None:
    record(streamed, lambda: None)
    parts(streamed).mkdir(parents=True, exist_ok=True)
    with part_files.holding(parts(streamed), wait=True):
        assert build(streamed) == (AT_WORK, 0)
    assert build(streamed) == (BUILT, 4)


def test_parts_of_a_day_that_never_closed_go_when_the_next_is_built(streamed: StreamedPlace) -> None:
    old = parts(streamed).with_name("2026-11-20")
    old.mkdir(parents=True)
    (old / "x.part").write_bytes(b"")
    record(streamed, lambda: build(streamed))
    assert not old.exists()


def test_the_command_builds_within_sessions_alone_and_says_what_it_did(
    streamed: StreamedPlace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    changes = {"data_dir": str(streamed.root), "host_id": "lab1", "disk_reserve_bytes": 1 << 20}
    settings = validate(Settings, make_config(streamed.root, **changes))

    def command(wall_ns: int) -> str:
        monkeypatch.setattr(SystemClock, "wall_ns", lambda _: wall_ns)
        assert build_command.run(argparse.Namespace(due=True), settings) == 0
        return capsys.readouterr().out

    record(streamed, lambda: said.append(command(moment(60))))
    assert said == [f"{DAY}: 1 segments became parts.\n"] * 2
    assert "No session is open" in command(moment(12 * 3_600))
    streamed.close(explain="as told")
    assert command(moment(60)) == f"{DAY} is closed.\n"
