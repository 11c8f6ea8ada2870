"""From answers to partitions: each day once, in generations, beside what was recorded, proven and prunable."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from tests.descriptors import none_left_open
from tests.lake_rows import rows
from tests.storage.backfill.conftest import FRIDAY, HOST, INFY, MONDAY, SBIN, Host, candle, said, week

from harvester.backfill import build as building
from harvester.backfill.answers import Asked
from harvester.backfill.certificate import certify
from harvester.base.clock import NS_PER_SECOND
from harvester.base.errors import HarvesterError
from harvester.base.market import midnight_ns
from harvester.calendar import TradingCalendar
from harvester.lake.cleanup import judge_files
from harvester.lake.layout import Partition, find_partitions, history_of
from harvester.lake.prune import delete_segments, judge_segments
from harvester.lake.publish.receipts import Receipt
from harvester.reader.verify import verify_lake

DAY = timedelta(days=1)
NINTH, SEPTEMBER = date(2026, 11, 9), date(2026, 9, 1)


def table(host: Host, day: date) -> list[dict[str, Any]]:
    return [row for entry in host.manifest(day).find("history") for row in rows(host.lake / entry.path)]


def test_each_day_is_a_partition_with_its_bars_its_certificate_and_a_manifest(host: Host) -> None:
    host.answer((SBIN, MONDAY, FRIDAY, said(*week())), (INFY, MONDAY, FRIDAY, said(*week(1))))
    built = host.build()

    assert (built.answers, built.refused, built.segments, built.days, built.rows) == (2, 0, 1, 5, 15)
    days = [part.date for part in find_partitions(host.lake) if part.host == f"{HOST}-history"]
    assert days == [MONDAY + at * DAY for at in range(5)] + [date(2026, 11, 24)], "the last has the answers themselves"
    first, *_ = found = table(host, MONDAY)
    assert [row["symbol"] for row in found] == [INFY, SBIN, SBIN]
    assert {key: first[key] for key in ("open_paise", "high_paise", "low_paise", "close_paise", "volume")} == {
        "open_paise": 80_000, "high_paise": 80_125, "low_paise": 79_995, "close_paise": 80_050, "volume": 100,
    }  # fmt: skip
    assert (first["source"], first["final"], first["revision"]) == ("backfill", True, 0)
    assert first["resolution_ns"] == 300 * NS_PER_SECOND
    entry = host.entry(MONDAY)
    assert (entry["expected"], entry["recorded"], entry["revised"], entry["rejected"]) == (72, 2, 0, {})
    assert host.certificate(MONDAY)["history"]["symbols"][SBIN]["segment"] == "nse_cash"
    assert verify_lake(host.lake).ok


def test_the_same_answer_again_changes_nothing(host: Host) -> None:
    host.answer((SBIN, MONDAY, FRIDAY, said(*week())))
    host.build()
    before = {day: host.manifest(day).files for day in (MONDAY, FRIDAY)}
    assert host.build().segments == 0, "the segment is listed"
    host.answer((SBIN, MONDAY, FRIDAY, said(*week())))
    again = host.build()

    assert (again.answers, again.days, host.entry(FRIDAY)["asked_ns"]) == (1, 5, host.clock.now_ns)
    for day, files in before.items():
        assert [entry.path for entry in host.manifest(day).files if "history" in entry.folder] == [
            entry.path for entry in files if "history" in entry.folder
        ]
    assert verify_lake(host.lake).ok


def test_a_build_that_was_killed_before_its_segments_were_listed_is_done_again(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.answer((SBIN, MONDAY, FRIDAY, said(*week())))
    with monkeypatch.context() as patch:
        patch.setattr(building, "_list_segments", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            host.build()
    before = host.manifest(MONDAY)
    built = host.build()

    assert host.manifest(MONDAY) == before, "nothing was new"
    assert (built.days, built.segments) == (0, 1)
    assert not (host.lake / ".history").exists()


def test_another_value_is_a_revision_and_what_is_new_joins_what_is_here(host: Host) -> None:
    host.answer((SBIN, MONDAY, MONDAY, said(*week()[:2])))
    host.build()
    host.answer((SBIN, MONDAY, MONDAY, said(candle(MONDAY, 0, 801.0), candle(MONDAY, 1), candle(MONDAY, 2))))
    host.build()
    host.answer((INFY, MONDAY, MONDAY, said(candle(MONDAY, 0))))
    host.build()

    mine = [row for row in table(host, MONDAY) if row["symbol"] == SBIN]
    assert [(row["ts_begin"], row["revision"], row["close_paise"]) for row in mine] == [
        (mine[0]["ts_begin"], 0, 80_050), (mine[0]["ts_begin"], 1, 80_100),
        (mine[2]["ts_begin"], 0, 80_050), (mine[3]["ts_begin"], 0, 80_050),
    ]  # fmt: skip
    assert [row["run_id"] for row in mine] == ["run1", "run2", "run1", "run2"], "of the answer that said it first"
    entry = host.entry(MONDAY)
    assert (entry["recorded"], entry["revised"]) == (3, 1)
    assert host.entry(MONDAY, INFY)["recorded"] == 1
    manifest = host.manifest(MONDAY)
    assert manifest.generation == 3
    assert all("-g3-" in entry.path for entry in manifest.files)
    assert len(list(host.lake.glob("history_v3/date=2026-11-16/*/*.parquet"))) == 1, "engines see each day once"
    assert len(list(host.lake.glob("superseded/history_v3/date=2026-11-16/*/*.parquet"))) == 2
    assert verify_lake(host.lake).ok


def test_of_two_values_in_one_answer_the_last_counts(host: Host) -> None:
    host.answer((SBIN, MONDAY, MONDAY, said(candle(MONDAY, 0, 700.0), candle(MONDAY, 1), candle(MONDAY, 0, 701.0))))
    host.build()

    assert [(row["close_paise"], row["revision"]) for row in table(host, MONDAY)] == [(70_100, 0), (80_050, 0)]


def test_what_is_no_bar_of_what_was_asked_for_is_rejected_and_counted(host: Host) -> None:
    flawed = [*candle(MONDAY, 1)[:2], 1, 2, 3, 4]
    host.answer((SBIN, MONDAY, MONDAY, said(candle(MONDAY, 0), flawed, candle(FRIDAY, 0), candle(MONDAY - DAY, 0))))
    host.build()

    assert host.entry(MONDAY)["rejected"] == {"high_below_low": 1, "other_day": 2}
    assert len(table(host, MONDAY)) == 1
    assert history_of(FRIDAY, HOST) not in find_partitions(host.lake)


def test_a_bar_that_was_not_over_when_it_was_asked_for_is_none(host: Host) -> None:
    today = date(2026, 11, 24)
    host.answer((SBIN, FRIDAY, today, said(candle(FRIDAY, 0), candle(today, 0))))
    host.build()

    assert host.entry(today)["rejected"] == {"not_over": 1}
    assert host.entry(today)["recorded"] == 0


def test_days_of_which_the_broker_has_nothing_are_certified_as_such(host: Host) -> None:
    host.answer((SBIN, MONDAY, FRIDAY, said()))
    built = host.build()

    assert (built.days, built.rows) == (5, 0)
    assert (host.entry(FRIDAY)["expected"], host.entry(FRIDAY)["recorded"]) == (72, 0)
    assert host.manifest(FRIDAY).find("history") == []
    assert host.left(host.order())[:1] == [(INFY, "2026-11-16", "2026-11-20")]


def stamped(*days: date, hour: int = 0) -> bytes:
    """Bars of a day and longer, as the documentation's sample stamps them; or at another hour of UTC."""
    moments = [datetime(day.year, day.month, day.day, hour, tzinfo=UTC) for day in days]
    return said(*([int(moment.timestamp()), 800, 810, 790, 805, 1_000] for moment in moments))


@pytest.mark.parametrize(
    ("resolution", "first", "last", "stamps", "begins"),
    [
        ("D", MONDAY, FRIDAY, (MONDAY, FRIDAY), (MONDAY, FRIDAY)),
        ("W", NINTH, date(2026, 11, 22), (NINTH, date(2026, 11, 18)), (NINTH, MONDAY)),
        ("M", SEPTEMBER, date(2026, 10, 31), (SEPTEMBER, date(2026, 10, 5)), (SEPTEMBER, date(2026, 10, 1))),
    ],
)  # fmt: skip
@pytest.mark.parametrize("hour", [0, 4])
def test_a_bar_of_a_day_or_longer_begins_at_midnight_in_india_whatever_its_stamp(
    host: Host, resolution: str, first: date, last: date, stamps: tuple[date, ...], begins: tuple[date, ...], hour: int
) -> None:
    host.answer((SBIN, first, last, stamped(*stamps, hour=hour)), resolution=resolution)
    host.build()

    for day in begins:
        (row,) = table(host, day)
        assert row["ts_begin"] == midnight_ns(day)
        assert host.entry(day, resolution=resolution)["expected"] == 1
        assert host.entry(day, resolution=resolution)["recorded"] == 1
    assert verify_lake(host.lake).ok


def test_a_resolution_beside_another_of_the_same_day_changes_neither(host: Host) -> None:
    host.answer((SBIN, MONDAY, MONDAY, said(*week()[:2])))
    host.build()
    host.answer((SBIN, MONDAY, MONDAY, stamped(MONDAY)), resolution="D")
    host.build()

    assert [row["resolution_ns"] // NS_PER_SECOND for row in table(host, MONDAY)] == [300, 300, 86_400]
    assert (host.entry(MONDAY)["recorded"], host.entry(MONDAY, resolution="D")["recorded"]) == (2, 1)
    assert host.certificate(MONDAY)["history"]["symbols"].keys() == {SBIN}


def test_a_wrong_count_in_a_certificate_is_found(host: Host) -> None:
    from harvester.backfill.check import check_history

    host.answer((SBIN, MONDAY, MONDAY, said(*week()[:2])))
    host.build()
    certificate, files = host.certificate(MONDAY), host.manifest(MONDAY).files
    assert check_history(host.lake, certificate, files) == []
    entry = certificate["history"]["symbols"][SBIN]["resolutions"]["5"]
    entry |= {"recorded": 3, "revised": 1}

    assert check_history(host.lake, certificate, files) == [
        f"{SBIN}, resolution 5: recorded is 3, counted 2", f"{SBIN}, resolution 5: revised is 1, counted 0",
    ]  # fmt: skip
    del certificate["history"]["symbols"][SBIN]
    assert check_history(host.lake, certificate, files) == [f"{SBIN}: 2 bars that the certificate does not name"]


def test_a_segment_goes_when_its_archived_copy_is_listed_and_right(host: Host) -> None:
    host.answer((SBIN, MONDAY, FRIDAY, said(*week())))
    (finding,) = judge_segments(host.journal, host.lake)
    assert finding.keep_because == "its day is not closed"
    host.build()
    findings = judge_segments(host.journal, host.lake)

    assert [each.keep_because for each in findings] == [None]
    delete_segments(findings)
    assert host.build().segments == 0
    assert host.left(host.order())[0][0] == INFY, "what was answered is still known"
    assert verify_lake(host.lake).ok


def test_clean_up_leaves_an_archived_answer_while_the_journal_has_its_segment(host: Host) -> None:
    host.answer((SBIN, MONDAY, FRIDAY, said(*week())))
    host.build()
    files = {entry.path: entry.sha256 for entry in host.manifest(date(2026, 11, 24)).files}

    def kept() -> list[str | None]:
        findings = judge_files(host.lake, host.settings.journal_dir, Receipt("x", files), 0)
        return [each.keep_because for each in findings if each.entry.folder == "raw"]

    assert kept() == ["the journal still has its segment; run harvester prune-journal --apply first"]
    delete_segments(judge_segments(host.journal, host.lake))
    assert kept() == [None]


def test_a_day_on_which_answers_came_keeps_them_when_its_own_bars_come(host: Host) -> None:
    today = date(2026, 11, 24)
    host.answer((SBIN, MONDAY, MONDAY, said(*week()[:2])))
    host.build()
    before = host.manifest(today)
    host.clock.now_ns += 86_400 * NS_PER_SECOND
    host.answer((SBIN, today, today, said(candle(today, 0))))
    host.build()
    after = host.manifest(today)

    assert [entry for entry in after.files if entry.folder == "raw"] == before.find("raw") != []
    assert after.segments == before.segments
    assert len(table(host, today)) == 1
    assert host.certificate(today)["history"]["symbols"].keys() == {SBIN}
    assert host.build().segments == 0
    assert verify_lake(host.lake).ok


def test_a_lake_at_which_a_close_is_at_work_is_left_alone(host: Host) -> None:
    from harvester.lake.publish.files import locked

    host.answer((SBIN, MONDAY, FRIDAY, said(*week())))
    with locked(host.lake), pytest.raises(HarvesterError, match="another close or clean-up is at work"):
        host.build()

    assert host.build().days == 5


def test_a_full_disk_leaves_the_answers_for_the_next_build(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.answer((SBIN, MONDAY, FRIDAY, said(*week())))

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device", "a file")

    with monkeypatch.context() as patch:
        patch.setattr(building, "_write_certificate", fail)
        told = (
            r"^a file: the backfill's answers cannot be made tables \(No space left on device\)\. Its journal keeps"
            r" them; free disk space or correct owners and modes, then run the command again\.$"
        )
        with pytest.raises(HarvesterError, match=told):
            host.build()
    assert history_of(MONDAY, HOST) not in find_partitions(host.lake)

    assert host.build().days == 5


def test_a_table_that_is_given_up_leaves_no_file_open(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.answer((SBIN, MONDAY, MONDAY, said(*week()[:2])))

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device", "a file")

    monkeypatch.setattr(building.TableFiles, "end", fail)
    with none_left_open():
        with pytest.raises(HarvesterError, match="No space left") as caught:
            host.build()
        assert caught.tb, "which holds whatever the build had in its hands"


def test_what_a_former_build_says_of_a_day_stays_where_nothing_new_was_asked() -> None:
    """A candle that was no bar then, and when it was asked for: a later build that asks less forgets neither."""
    calendar = TradingCalendar.load()
    former = {"expected": 75, "recorded": 0, "revised": 0, "rejected": {"bad_prices": 2}, "asked_ns": 9}
    entry = {"segment": "nse_cash", "resolutions": {"5": former, "15": {**former, "asked_ns": 7}}}
    asked = {("A", "5"): Asked(asked_ns=8, rejected={"not_due": 1}), ("B", "5"): Asked(asked_ns=3)}
    partition = Partition(date(2026, 11, 20), "h-history")

    made = certify(partition, "r", {"A": entry}, asked, {}, {"A": calendar, "B": calendar})

    symbols = made["history"]["symbols"]
    five = symbols["A"]["resolutions"]["5"]
    assert five["rejected"] == {"bad_prices": 2, "not_due": 1}
    assert (five["asked_ns"], symbols["A"]["resolutions"]["15"]["asked_ns"]) == (9, 7)
    assert symbols["B"]["resolutions"]["5"]["asked_ns"] == 3 and symbols["B"]["resolutions"]["5"]["rejected"] == {}
    assert (made["format"], made["date"], made["host"], made["release"]) == (2, "2026-11-20", "h-history", "r")
    assert entry["resolutions"]["5"] == former, "what was given is not changed"
