"""Deliveries in the ledger of what is due: when they are, and what the receipt of a day says of them."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.journals import DAY
from tests.operator.support.made_lake import LakeMaker
from tests.recorder.fakes import make_settings
from tests.recorder.test_dues import CLOSE_NS, HOUR_NS, MINUTE_NS, hours
from tests.storage.lake.candles import CandlePlace

from harvester.config.settings import Settings
from harvester.deliver.receipts import DayReceipt, VerifiedObject, save
from harvester.dues.deliveries import DeliverySource
from harvester.dues.due import State, UnseenError
from harvester.dues.judge import ledger_of
from harvester.lake.layout import CANDLES, Partition


@pytest.fixture
def feeding(tmp_path: Path) -> Settings:
    """A host that delivers, and has recorded DAY."""
    feed = {"name": "feed", "kind": "price-feed", "place": "s3://b-bucket/", "at": "16:05"}
    settings = make_settings(tmp_path, feeds=["fyers-rest", "fyers-history"], deliveries=[feed])
    (settings.data_dir / "journal" / str(DAY)).mkdir(parents=True)
    (settings.data_dir / "deliveries/feed/tables").mkdir(parents=True)
    return settings


def receive(settings: Settings, seal: str | None, *moments: str, home: str = "s3://b-bucket/", **counts: int) -> None:
    """Keep a receipt with files that were verified then."""
    partition = Partition(DAY, settings.host_id)
    files = {
        f"f{number}": VerifiedObject(f"f{number}", 1, "0", "k", "", "", None, f"2026-11-23T{moment}+00:00")
        for number, moment in enumerate(moments)
    }
    receipt = DayReceipt(str(DAY), settings.host_id, home, seal, files, counts)
    save(settings.data_dir / "deliveries/feed/tables", partition, receipt)


def test_a_delivery_is_met_by_the_receipt_of_the_days_files(feeding: Settings) -> None:
    source, at_ns = DeliverySource(feeding, hours), CLOSE_NS + 30 * MINUTE_NS  # 16:05

    def entry() -> tuple[State, str]:
        [found] = ledger_of([source], DAY, at_ns + HOUR_NS + 1)
        assert (found.due.due_ns, found.due.by_ns) == (at_ns, at_ns + HOUR_NS)
        return found.state, found.cause

    nothing = ("missing", "nothing of the day is verified there")
    assert entry() == nothing
    receive(feeding, "seal", "10:40:00", home="s3://another-bucket/")
    assert entry() == nothing
    receive(feeding, None, "10:40:00")
    assert entry() == ("missing", "1 files are verified there, and others are lacking")
    receive(feeding, "seal", "10:40:00", "11:35:00")
    assert entry() == ("met", "")
    receive(feeding, "seal", "10:40:00", "11:35:01")
    assert entry() == ("late", "")
    receive(feeding, "seal", "10:40:00", records=70, missing=5, rejected=1)
    assert entry() == ("partial", "5 bars missing, 1 bars rejected")
    receive(feeding, "seal", "10:40:00", records=75, missing=0)
    assert entry() == ("met", "")


def test_a_delivery_that_is_there_no_more_and_a_folder_that_is_closed_to_us_are_unknown(feeding: Settings) -> None:
    source = DeliverySource(feeding, hours)
    [due] = source.declare(DAY)
    with pytest.raises(UnseenError, match="feed is no delivery of this host any more"):
        DeliverySource(msgspec.structs.replace(feeding, deliveries=()), hours).find(due)
    folder = feeding.data_dir / "deliveries/feed/tables"
    folder.rmdir()
    folder.write_text("no folder")
    with pytest.raises(UnseenError, match="cannot be looked at"):
        source.find(due)


def test_a_day_whose_manifest_is_damaged_is_unknown_with_its_path(feeding: Settings) -> None:
    manifest = feeding.lake_dir / Partition(DAY, feeding.host_id).manifest
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{")

    [entry] = ledger_of([DeliverySource(feeding, hours)], DAY, 2**62)

    assert (entry.state, entry.cause.partition(": ")[0]) == ("unknown", str(manifest))


def test_a_delivery_is_due_once_the_bars_have_settled_on_days_that_were_recorded(feeding: Settings) -> None:
    early = msgspec.structs.replace(feeding.deliveries[0], at="15:00")
    source = DeliverySource(msgspec.structs.replace(feeding, deliveries=(early,)), hours)

    [due] = source.declare(DAY)

    assert due.due_ns == CLOSE_NS + feeding.candles.final_after_ns
    assert source.declare(DAY, without=["feed"]) == source.declare(DAY - timedelta(days=3)) == []
    assert source.declare(DAY - timedelta(days=1)) == [], "a Sunday"


@pytest.mark.parametrize("cleaned_up", [False, True])
def test_of_closed_days_those_with_candles_are_delivered_unless_they_were_cleaned_up(
    tmp_path: Path, cleaned_up: bool
) -> None:
    bars = CandlePlace(tmp_path / "bars")
    bars.record_all()
    bars.close()
    host = bars.current(CANDLES).parent.name.removeprefix("host=")
    feed = {"name": "feed", "kind": "price-feed", "place": "s3://b-bucket/"}
    changes = {"data_dir": str(bars.lake.parent), "host_id": host, "deliveries": [feed]}
    source = DeliverySource(make_settings(tmp_path, feeds=["fyers-rest", "fyers-history"], **changes), hours)
    if cleaned_up:
        bars.current(CANDLES).unlink()

    [due] = source.declare(DAY)

    assert source.find(due).excused == ("its candles were cleaned up before they were delivered" if cleaned_up else "")


def test_a_day_that_was_closed_before_there_were_candles_is_not_to_be_delivered(tmp_path: Path) -> None:
    LakeMaker(tmp_path / "data/lake", raw_bytes=1_000).add_day(str(DAY))
    feed = {"name": "feed", "kind": "price-feed", "place": "s3://b-bucket/"}
    changes = {"data_dir": str(tmp_path / "data"), "host_id": "lab1", "deliveries": [feed]}
    settings = make_settings(tmp_path, feeds=["fyers-rest", "fyers-history"], **changes)

    assert DeliverySource(settings, hours).declare(DAY) == []
