"""The certificate word for word: what each entry counts, from a day made by hand."""

from typing import Any

import numpy as np
import pytest
from tests.journals import INTERVAL_NS, OPEN_NS, SYMBOLS
from tests.storage.lake.sockets import INFY, NIFTY, SBIN, moment

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.base.release import release_id
from harvester.journal.format import FYERS_HSM, FYERS_TBT
from harvester.lake.certificate.balance import check_day, check_stream, check_symbol
from harvester.lake.certificate.day import encode_certificate
from harvester.lake.certificate.streams import longest_silence, percentiles
from harvester.lake.gaps.polls import GapRow
from harvester.lake.manifest import load_manifest

SECOND = NS_PER_SECOND


def check(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """What is expected is there; a certificate may grow."""
    assert {name: found.get(name, "nothing") for name in expected} == expected


def test_of_segments_with_the_same_hours_one_may_be_polled_and_the_other_not(place) -> None:
    recorder = place.start()
    recorder.open_window(2)
    recorder.open_window(2, interval_ns=None, segment="mcx", symbols=["MCX:GOLD26DECFUT"])
    recorder.poll_all(0, 1)
    recorder.close_window(2)
    recorder.stop()
    place.close(windows=((OPEN_NS, OPEN_NS + 2 * INTERVAL_NS),))

    value = place.certificate()
    assert value["interval_ns"] == INTERVAL_NS
    assert [each["interval_ns"] for each in value["schedule"]] == [INTERVAL_NS, None]


def test_a_polled_day_is_certified_word_for_word(place) -> None:
    recorder = place.start()
    recorder.open_window(20)
    recorder.poll_all(*range(8))
    recorder.poll(8, SBIN)
    recorder.poll(8, INFY, status=500, body=b"")
    recorder.gap(SBIN, 9, 12, "timeout")
    recorder.gap(INFY, 9, 11, "timeout")
    recorder.gap(INFY, 11, 12, "refused")
    recorder.poll_all(*range(12, 20))
    recorder.poll(15, SBIN)
    recorder.poll(30, SBIN)
    recorder.control("clock", source="chrony", offset_ns=-700, error_ns=40)
    recorder.control("clock", source="chrony", offset_ns=300, error_ns=90)
    recorder.control("clock", source="chrony", offset_ns="?")
    recorder.control("clock", source="hand", note="x")
    recorder.control("clock_step", delta_ns=-3 * SECOND)
    recorder.control("clock_step", delta_ns=2 * SECOND)
    recorder.control("text", text="maintenance")
    recorder.control("gap_close", gap_id="nobody's", to_ns=1)
    recorder.control("damage", bytes=17)
    recorder.close_window(20)
    recorder.stop()
    place.close()

    value = place.certificate()
    manifest = load_manifest(place.lake, place.partition)
    assert manifest is not None
    window = [OPEN_NS, OPEN_NS + 20 * INTERVAL_NS]
    stretch = {"from_ns": window[0], "to_ns": window[1], "anchor_ns": OPEN_NS, "interval_ns": INTERVAL_NS}
    check(value, {
        "format": 2, "date": "2026-11-23", "host": "lab1", "release": release_id(), "windows": [window],
        "interval_ns": INTERVAL_NS, "schedule": [stretch], "unexplained_slots": 0, "streams": {},
    })  # fmt: skip
    assert list(value["symbols"]) == sorted(SYMBOLS)
    check(value["symbols"][SBIN], {
        "expected": 20, "updates": 19, "recorded_slots": 17, "coverage": 0.85, "duplicates": 1, "off_schedule": 1,
        "bad_records": 0, "gaps_by_cause": {"timeout": 3}, "longest_silence_ns": 4 * INTERVAL_NS,
        "poll_deviation_ms": {"p50": 2.0, "p99": 2.0, "max": 2.0},
    })  # fmt: skip
    check(value["symbols"][INFY], {
        "expected": 20, "updates": 16, "recorded_slots": 16, "coverage": 0.8, "duplicates": 0, "off_schedule": 0,
        "bad_records": 1, "gaps_by_cause": {"refused": 1, "server_error": 1, "timeout": 2},
        "longest_silence_ns": 5 * INTERVAL_NS, "poll_deviation_ms": {"p50": 2.0, "p99": 2.0, "max": 2.0},
    })  # fmt: skip
    assert "files" not in value, "the manifest lists them"
    (run,) = value["runs"]
    check(run, {
        "run_id": recorder.run.run_id, "release": "r1", "first_ns": OPEN_NS, "last_ns": recorder.clock.now_ns,
        "stopped": True,
    })  # fmt: skip
    assert run["boot_id"]
    records = sum(segment.records for segment in manifest.segments)
    check(value["journal"], {
        "segments": len(manifest.segments), "records": records, "damaged_bytes": 0, "torn_bytes": 17,
        "unattributed_records": 0, "other_feed_records": 0, "malformed_control_records": 1,
    })  # fmt: skip
    check(value["clock"], {
        "steps": 2, "largest_step_ns": -3 * SECOND, "notes": [{"type": "clock", "source": "hand", "note": "x"}],
        "chrony": {"measurements": 2, "largest_offset_ns": 700, "largest_error_ns": 90},
    })  # fmt: skip
    assert value["messages"] == [{"type": "text", "text": "maintenance"}]


def test_a_day_without_notes_polls_or_steps_says_so(streamed) -> None:
    streamed.close()

    value = streamed.certificate()
    assert value["clock"] == {"steps": 0, "largest_step_ns": 0, "notes": [], "chrony": None}
    assert (value["interval_ns"], value["symbols"], value["runs"], value["messages"]) == (None, {}, [], [])


def test_a_streamed_day_is_certified_word_for_word(streamed) -> None:
    recorder = streamed.sockets()
    recorder.open(feeds=[FYERS_HSM, FYERS_TBT])
    recorder.connect(0, [SBIN, NIFTY])
    recorder.at(1)
    recorder.snapshots(0, SBIN, NIFTY, number=1)
    recorder.connect(4, [INFY], feed=FYERS_TBT)
    recorder.at(2)
    recorder.book50(4, INFY, 1, snapshot=True)
    for second in range(3, 13):
        recorder.at(second + second / 100)
        recorder.quotes(0, SBIN, second)
    for second, sequence, snapshot in ((15, 5, False), (20, 4, False), (25, 9, True)):
        recorder.at(second)
        recorder.book50(4, INFY, second, sequence=sequence, snapshot=snapshot)
    recorder.at(90)
    recorder.control("disconnect", feed=FYERS_HSM, stream=0, cause="mute", detail="nothing for 10 s")
    recorder.close()
    recorder.at(102)
    recorder.book50(4, INFY, 9)
    recorder.stop()
    streamed.close()

    value = streamed.certificate()["streams"]
    assert list(value) == ["fyers-hsm", "fyers-tbt"]
    data, depth = value["fyers-hsm"], value["fyers-tbt"]
    check(data["symbols"][SBIN], {
        "window_ns": 100 * SECOND, "covered_ns": 89 * SECOND, "coverage": 0.89, "updates": {"depth": 1, "quotes": 11},
        "off_session": 0, "longest_silence_ns": 87_880_000_000,
        "gaps_by_cause": {"stale": {"ns": 10 * SECOND, "count": 1}, "not_started": {"ns": SECOND, "count": 1}},
    })  # fmt: skip
    skew = data["symbols"][SBIN]["skew_ms"]
    assert (skew["p99"], skew["max"]) == (120.0, 120.0) and skew["p50"] in (70.0, 80.0) and skew["min"] in (0.0, 30.0)
    check(depth["symbols"][INFY], {
        "window_ns": 100 * SECOND, "covered_ns": 75 * SECOND, "coverage": 0.75, "updates": {"depth50": 5},
        "off_session": 1, "longest_silence_ns": 75 * SECOND,
        "gaps_by_cause": {
            "not_started": {"ns": 2 * SECOND, "count": 1}, "sequence_break": {"ns": 23 * SECOND, "count": 1},
        },
        "sequence": {
            "missing": 7, "repeated": 1,
            "connections": [
                {"connection": 1, "first": 1, "last": 10, "messages": 5, "missing": 7, "repeated": 1}
            ],
        },
    })  # fmt: skip
    check(data, {"unexplained_ns": 0, "frames": 11, "leftovers": {}, "notices": [], "connection_count": 1})
    check(data["connections"][0], {
        "connection": 0, "stream": 0, "run_id": recorder.run.run_id, "from_ns": OPEN_NS, "to_ns": moment(90),
        "cause": "stale", "symbols": 2,
    })  # fmt: skip
    assert (depth["frames"], depth["connection_count"], depth["connections"][0]["stream"]) == (5, 1, 4)
    assert list(data["symbols"]) == sorted([SBIN, NIFTY]) and list(depth["symbols"]) == [INFY]


@pytest.mark.parametrize(
    ("times", "longest"),
    [
        ([], 60),
        ([9], 60),
        ([10], 60),  # at the opening
        ([30], 40),
        ([69], 59),
        ([70], 60),  # at the close is not inside
        ([10, 50, 55], 40),
        ([5, 40, 90, 110], 30),
    ],
)
def test_the_longest_silence_has_the_edges_of_the_windows_and_nothing_between_them(
    times: list[int], longest: int
) -> None:
    assert longest_silence(np.array(times, np.int64), [(10, 70)]) == longest
    assert longest_silence(np.array(times, np.int64), [(10, 70), (100, 101)]) == longest
    assert longest_silence(np.array(times, np.int64), []) == 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5], (5, 5, 5, 5)),
        ([3, 1, 2], (1, 2, 3, 3)),
        ([4, 1, 3, 2], (1, 2, 4, 4)),
        (list(range(100, 0, -1)), (1, 50, 99, 100)),
        (list(range(1, 201)), (1, 100, 198, 200)),
        ([-5, 5], (-5, -5, 5, 5)),
    ],
)
def test_percentiles_are_by_nearest_rank(values: list[int], expected: tuple[int, ...]) -> None:
    found = percentiles(np.array(values, np.int64) * NS_PER_MS)

    assert found == dict(zip(("min", "p50", "p99", "max"), map(float, expected), strict=True))
    assert percentiles(np.empty(0, np.int64)) is None
    assert percentiles(np.array([1_234_567], np.int64)) == dict.fromkeys(("min", "p50", "p99", "max"), 1.235)


def gap(begin: int, end: int, slots: int | None = None, cause: str = "mute") -> GapRow:
    return GapRow(SBIN, "fyers-rest", begin, end, cause, "", slots, "derived")


@pytest.mark.parametrize(
    ("changes", "have", "gaps", "flaws"),
    [
        ({}, [0, 10, 20], [gap(30, 50, 2)], []),
        ({}, [0, 10, 20], [gap(30, 40, 1), gap(40, 50, 1)], []),
        ({}, [0, 10, 20], [gap(30, 50, 1)], ["the gap at 30 does not hold the 1 slots it names, each once"]),
        (
            {}, [0, 10, 20], [gap(30, 50, 2), gap(40, 50, 1)],
            ["the gap at 40 does not hold the 1 slots it names, each once"],
        ),
        ({}, [0, 10, 20], [gap(20, 50, 3)], ["1 slots have data and are in a gap"]),
        ({}, [0, 10, 20], [gap(30, 40, 1)], ["1 slots have neither data nor a gap"]),
        ({"expected": 6}, [0, 10, 20], [gap(30, 50, 2)], ["expected is 6, counted 5"]),
        ({"recorded_slots": 2}, [0, 10, 20], [gap(30, 50, 2)], ["recorded_slots is 2, counted 3"]),
        ({}, [0, 10, 20, 20], [gap(30, 50, 2)], ["updates is 3, counted 4"]),
        ({"updates": 4}, [0, 10, 20, 7], [gap(30, 50, 2)], []),
    ],
)  # fmt: skip
def test_slots_that_do_not_balance_are_told(
    changes: dict[str, int], have: list[int], gaps: list[GapRow], flaws: list[str]
) -> None:
    entry = {"expected": 5, "updates": 3, "recorded_slots": 3, **changes}

    assert check_symbol(entry, {0, 10, 20, 30, 40}, have, gaps) == flaws


@pytest.mark.parametrize(
    ("changes", "gaps", "flaws"),
    [
        ({}, [gap(0, 10), gap(20, 25)], []),
        ({}, [gap(0, 10), gap(5, 10)], ["its gaps overlap or are empty"]),
        ({}, [gap(0, 15), gap(20, 20)], ["its gaps overlap or are empty"]),
        ({}, [gap(0, 10), gap(98, 103)], ["a gap lies outside the windows"]),
        ({}, [gap(0, 10), gap(20, 25, cause="refused")], ["its gaps by cause are not those of the ledger"]),
        ({"covered_ns": 84}, [gap(0, 10), gap(20, 25)], ["84 ns are covered, counted 85 of 100"]),
        ({"window_ns": 99}, [gap(0, 10), gap(20, 25)], ["85 ns are covered, counted 85 of 100"]),
    ],
)
def test_time_that_does_not_balance_is_told(changes: dict[str, int], gaps: list[GapRow], flaws: list[str]) -> None:
    entry = {"window_ns": 100, "covered_ns": 85, "gaps_by_cause": {"mute": {"ns": 15, "count": 2}}, **changes}

    assert check_stream(entry, [(0, 60), (60, 100)], gaps) == flaws


@pytest.fixture
def mixed(streamed):
    """A day of both sockets and of polls."""
    recorder = streamed.sockets(polled=(SBIN,))
    recorder.open(feeds=[1, FYERS_HSM, FYERS_TBT])
    recorder.connect(0, [SBIN])
    recorder.snapshots(0, SBIN)
    recorder.connect(0, [SBIN], feed=FYERS_TBT)
    recorder.book50(0, SBIN, 1, snapshot=True)
    recorder.control("polling", from_ns=moment(30), interval_ns=5 * SECOND)
    recorder.poll(0, SBIN, sched_ns=moment(30))
    recorder.control("polling_end", to_ns=moment(40))
    recorder.close()
    recorder.stop()
    streamed.close()
    return streamed


@pytest.mark.parametrize(
    ("where", "value", "flaw"),
    [
        ("unexplained_slots", 3, "3 slots are unexplained"),
        ("streams fyers-hsm unexplained_ns", 7, "7 ns of fyers-hsm are unexplained"),
        (
            f"streams fyers-hsm symbols {SBIN} updates depth",
            2,
            f"{SBIN}: depth has 1 rows of fyers-hsm, the certificate says 2",
        ),
        (
            f"streams fyers-hsm symbols {SBIN} updates quotes",
            0,
            f"{SBIN}: quotes has 1 rows of fyers-hsm, the certificate says 0",
        ),
        (
            f"streams fyers-tbt symbols {SBIN} updates depth50",
            5,
            f"{SBIN}: depth50 has 1 rows of fyers-tbt, the certificate says 5",
        ),
        (
            f"streams fyers-tbt symbols {SBIN} updates indices",
            5,
            "the table indices is not listed, and should have rows",
        ),
        (f"symbols {SBIN} updates", 2, f"{SBIN}: updates is 2, counted 1"),
        (
            f"streams fyers-tbt symbols {SBIN} covered_ns",
            1,
            f"{SBIN}: fyers-tbt: 1 ns are covered, counted {100 * SECOND} of {100 * SECOND}",
        ),
        ("symbols", {}, f"{SBIN}: has data of polls, but no entry"),
    ],
)
def test_a_certificate_that_its_files_do_not_bear_out_is_told(mixed, where: str, value: Any, flaw: str) -> None:
    certificate, manifest = mixed.certificate(), load_manifest(mixed.lake, mixed.partition)
    assert manifest is not None and check_day(mixed.lake, certificate, manifest.files) == []
    *path, last = where.split()
    inner = certificate
    for name in path:
        inner = inner[name]
    inner[last] = value

    assert flaw in check_day(mixed.lake, certificate, manifest.files)


def test_gaps_of_a_symbol_without_an_entry_are_told(mixed) -> None:
    certificate, manifest = mixed.certificate(), load_manifest(mixed.lake, mixed.partition)
    assert manifest is not None
    certificate["symbols"] = {}
    assert f"{SBIN}: has gaps of fyers-rest, but no entry" in check_day(mixed.lake, certificate, manifest.files)


def test_topics_that_came_are_counted_by_the_feed_that_brought_them(mixed) -> None:
    """The same symbol on three feeds: none is counted for another."""
    value = mixed.certificate()
    assert value["symbols"][SBIN]["updates"] == 1 and value["symbols"][SBIN]["expected"] == 2
    assert value["streams"]["fyers-hsm"]["symbols"][SBIN]["updates"] == {"depth": 1, "quotes": 1}
    assert value["streams"]["fyers-tbt"]["symbols"][SBIN]["updates"] == {"depth50": 1}
    assert [row["feed"] for row in mixed.table("depth")] == ["fyers-hsm", "fyers-rest"]
    assert {row["feed"] for row in mixed.table("depth50")} == {"fyers-tbt"}


def test_half_of_a_surrogate_pair_in_what_a_server_said_is_kept_as_it_came() -> None:
    assert encode_certificate({"messages": ["\ud83d"]}) == b'{\n "messages": [\n  "\xed\xa0\xbd"\n ]\n}\n'
