"""Two weeks on a moved clock with four faults: each day's rows reach the laptop, and each fault is told."""

from datetime import date, timedelta

import boto3
import pytest
from tests.database.world import MONDAY, NAMES, World, days

from harvester.base.errors import HarvesterError
from harvester.database.copies import unproven
from harvester.database.merge import Rules
from harvester.database.restore_test import run_restore_test

LOCKED, NO_BUCKET, TORN, DRIFT = (
    MONDAY + timedelta(days=2),
    MONDAY + timedelta(days=4),
    MONDAY + timedelta(8),
    MONDAY + timedelta(10),
)


ADD = Rules(add_columns=True)
NO_VALUE = "column bid (numeric(15,2)) was added; rows of before have no value in it until --full brings it"


def evening(world: World, day: date, told: dict[date, list[str]]) -> None:
    """What a host's units do at 16:00 and after it; each failure is a unit's, of which people are told."""

    def attempt(what: object, *arguments: object) -> None:
        try:
            what(*arguments)  # type: ignore[operator]
        except HarvesterError as error:
            told.setdefault(day, []).append(str(error))

    if day == LOCKED:
        with world.postgres.connect(world.database) as connection, connection.transaction():
            connection.execute("LOCK TABLE my_schema.positions IN ACCESS EXCLUSIVE MODE")
            attempt(world.back_up, day)
    else:
        attempt(world.back_up, day)
    if day.weekday() == 6:
        attempt(world.back_up_all, day)
    if day == TORN:
        path = world.folder / f"daily/incremental_{day}.dump.gz"
        path.write_bytes(path.read_bytes()[:-50])
    good = world.endpoint
    if NO_BUCKET <= day < NO_BUCKET + timedelta(days=4):
        world.endpoint = "http://127.0.0.1:9"
    for outcome in world.deliver():
        told.setdefault(day, []).extend(outcome.problems)
    world.endpoint = good
    if waiting := unproven(world.settings, day):
        told.setdefault(day, []).append(f"not in the bucket for days: {', '.join(waiting)}")
    if day.weekday() == 6:
        attempt(run_restore_test, world.server, world.settings, day)


@pytest.mark.long
def test_two_weeks_with_four_faults_end_with_equal_rows(world: World) -> None:
    told: dict[date, list[str]] = {}
    refused = []
    equal = []
    for day in days(14):
        if day.weekday() < 5:
            world.trade(day, 50)
        if day == DRIFT:
            world.run("ALTER TABLE my_schema.ticks ADD COLUMN bid numeric(15,2) DEFAULT 1.25")
        evening(world, day, told)
        try:
            world.pull()
        except HarvesterError as error:
            refused.append(day)
            assert "my_schema.ticks lacks bid (numeric(15,2))" in str(error)
            notes = [note for _, results in world.pull(ADD).merged for each in results for note in each.notes]
            assert notes == [NO_VALUE]
            assert world.differences() == ["my_schema.ticks"], "rows of earlier days have no value there"
            world.pull(full=True)
        equal += [day] if world.differences() == [] else []
    client = boto3.client("s3", endpoint_url=world.endpoint, region_name="ap-south-1")
    assert client.list_objects_v2(Bucket=world.bucket)["KeyCount"] > 20
    assert world.differences() == [], "the last day has all of them"
    silent = [LOCKED, *days(4, NO_BUCKET), TORN]
    assert [day for day in days(14) if day not in equal] == silent
    assert "Somebody holds a table" in told[LOCKED][0]
    assert all("127.0.0.1:9" in told[day][0] for day in days(4, NO_BUCKET))
    assert any("not in the bucket for days" in said for said in told[NO_BUCKET + timedelta(days=3)])
    assert "is not what its manifest says" in told[TORN][0]
    assert refused == [DRIFT]
    others = {day for day in told if day not in silent}
    assert all(
        "is not what its manifest says" in said or "not in the bucket" in said for day in others for said in told[day]
    )
    assert len(NAMES) == 7
