"""Measurements of chrony become control records; what cannot be read does not."""

from pathlib import Path

import pytest

from harvester.base.monitors import ClockMonitor
from harvester.capture.clock_notes import ClockNotes, parse_line, read_last

# The column layout is that of chrony's manual, chrony.conf, "log tracking"; the values are made up.
LINE = "2026-11-23 03:45:12 203.0.113.9  3  12.345  0.021 -1.250e-04 N  4  3.1e-05 -2.0e-06  1.1e-03  4.2e-04  2.5e-03"
MEASURED = {
    "type": "clock",
    "source": "chrony",
    "measured_ns": 1_795_405_512_000_000_000,
    "reference": "203.0.113.9",
    "stratum": 3,
    "offset_ns": -125_000,
    "error_ns": 2_500_000,
}


def test_a_new_line_is_noted_once(tmp_path: Path) -> None:
    chrony = tmp_path / "tracking.log"
    notes = ClockNotes(ClockMonitor(), chrony)
    assert notes.take() == [], "no log yet"

    chrony.write_text(f"{'=' * 90}\n   Date (UTC) Time     IP Address\n{'=' * 90}\n{LINE}\n")

    assert notes.take() == [MEASURED]
    assert notes.take() == []
    with chrony.open("a") as log:
        log.write(LINE[:40])
    assert notes.take() == [], "a line that is not whole yet is left for later"


def test_no_part_of_a_line_is_a_measurement_wherever_it_is_cut(tmp_path: Path) -> None:
    chrony = tmp_path / "tracking.log"
    for cut in range(1, len(LINE) + 1):
        chrony.write_text(LINE[:cut])
        assert read_last(chrony) is None, "chrony has not ended the line"
    chrony.write_text(f"{LINE}\n{LINE[:-2]}")
    assert read_last(chrony) == parse_line(LINE)


@pytest.mark.parametrize("line", ["", "=" * 90, "2026-11-23 nonsense " + "x " * 14, LINE.replace("-1.250e-04", "inf")])
def test_what_is_no_measurement_is_passed_over(line: str) -> None:
    assert parse_line(line) is None


def test_a_clock_that_the_broker_contradicts_is_noted_when_it_begins_and_ends(tmp_path: Path) -> None:
    watch = ClockMonitor()
    notes = ClockNotes(watch, tmp_path / "none")
    second = 10**9
    for _ in range(2):
        watch.compare(0, 60 * second)
    assert [note["off"] for note in notes.take()] == [True]
    assert notes.take() == []
    watch.compare(60 * second, 60 * second)
    assert [note["off"] for note in notes.take()] == [False]
