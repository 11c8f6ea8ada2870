"""One calendar for all: the exchange's list becomes a file, and functions, hosts and the laptop go by it."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT_ID
from moto.ec2.models import ec2_backends

from harvester.base.aws_names import Names
from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import zone
from harvester.calendar import TradingCalendar
from harvester.calendar.model import ENVIRONMENT, read_calendar
from runbook.aws import calendar_delivery, sleepers
from runbook.aws.environment import Environment
from runbook.aws.session import Account
from runbook.fleet import calendar, indices
from runbook.pull.plan import Selection
from runbook.report.verification import missing_days

TODAY = date(2026, 12, 15)
SATURDAY = date(2026, 12, 12)
"""Of the disaster-recovery session."""


def row(text: str, name: str) -> dict[str, Any]:
    return {"tradingDate": text, "weekDay": "", "description": name, "morning_session": None, "Sr_no": 1}


def published(*more: dict[str, Any], **segments: list[dict[str, Any]]) -> dict[str, Any]:
    """The exchange's list of 2027, as it is served."""
    rows = [row(f"{day}-2027", name) for day, name in (
        ("26-Jan", "Republic Day"), ("23-Mar", "Holi"), ("26-Mar", "Good Friday"), ("14-Apr", "Ambedkar"),
        ("29-Oct", "Diwali Laxmi Pujan*"),
    )]  # fmt: skip
    return {"CM": [*rows, *more], **segments}


def update(found: dict[str, Any], now: dict[str, Any] | None = None) -> dict[str, Any]:
    return calendar.propose(now or calendar.current(None), found, "the list", TODAY)


def test_the_list_of_the_new_year_is_added_with_its_source_and_the_facts_reach_its_end(tmp_path: Path) -> None:
    new = update(published())
    calendar.write(tmp_path / "calendar.json", new)

    facts = TradingCalendar.load(tmp_path / "calendar.json")

    assert facts.valid_until == date(2027, 12, 31)
    assert facts.session(date(2027, 1, 26)) is None
    assert facts.of("nse_fo").session(date(2027, 1, 26)) is None, "segments without a list of their own take it over"
    muhurat = facts.session(date(2027, 10, 29))
    assert muhurat is not None
    assert (muhurat.kind, muhurat.provisional) == ("muhurat", True)
    added = [change for change in calendar.compare(calendar.current(None), new) if change.what == "Republic Day"]
    assert [(each.sign, each.segment, each.day) for each in added] == [("+", "nse_cash", "2027-01-26")]
    assert added[0].source == "NSE list of trading holidays, the list, seen 2026-12-15"
    assert json.loads((tmp_path / "calendar.json").read_bytes()) == new
    assert update(published(), new) == new, "a second time there is nothing new"


def test_a_holiday_that_the_list_lost_goes_and_the_past_stays() -> None:
    new = update(published(row("28-Jun-2027", "Bakri Id")))
    moved = update(published(row("29-Jun-2027", "Bakri Id")), new)

    changes = {(each.sign, each.day) for each in calendar.compare(new, moved)}

    assert changes == {("-", "2027-06-28"), ("+", "2027-06-29")}
    packaged = {each["date"] for each in calendar.current(None)["holidays"]}
    assert packaged <= {each["date"] for each in moved["holidays"]}


def test_a_segment_with_a_list_of_its_own_gets_days_of_its_own() -> None:
    currency = [*published()["CM"], row("01-Apr-2027", "Annual bank closing")]

    new = update(published(FO=published()["CM"], CD=currency))

    assert "holidays" not in new["segments"]["nse_fo"], "the same as of cash"
    assert "2027-04-01" in {each["date"] for each in new["segments"]["nse_currency"]["holidays"]}
    assert "2027-04-01" not in {each["date"] for each in new["holidays"]}


def test_a_year_that_is_not_published_yet_changes_nothing() -> None:
    few = {"CM": [row("26-Jan-2027", "Republic Day")]}

    assert update(few) == calendar.current(None)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<html>Access Denied</html>", "not JSON"),
        ("[]", "neither the exchange's list"),
        ('{"FO": []}', "neither the exchange's list"),
    ],
)
def test_what_is_no_list_is_refused_with_what_to_do(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "saved").write_text(content, encoding="utf-8")

    with pytest.raises(ConfigError, match=reason) as refused:
        calendar.fetch(str(tmp_path / "saved"))

    assert "--source FILE" in str(refused.value)
    with pytest.raises(ConfigError, match="row 1 has no tradingDate"):
        update({"CM": [{"tradingDate": "tomorrow", "description": "x"}]})
    with pytest.raises(ConfigError, match="cannot be read"):
        calendar.fetch(str(tmp_path / "nothing"))


FETCH = """
import sys
from runbook.fleet.calendar import fetch
print({key: len(rows) for key, rows in fetch(sys.argv[1] if len(sys.argv) > 1 else None).items()})
"""


def exchange(tmp_path: Path, *options: str, of: str = "") -> subprocess.CompletedProcess[str]:
    """Fetch the list with a stand-in between us and the world."""
    program = str(Path(sys.executable).with_name("exchange"))
    command = [program, "run", "--state", str(tmp_path / "exchange"), *options, "--", sys.executable, "-c", FETCH]
    return subprocess.run([*command, *([of] if of else [])], capture_output=True, text=True, check=False, timeout=300)


def test_the_exchange_serves_its_list_to_a_client_that_behaves_like_a_browser(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text(json.dumps(published()), encoding="utf-8")

    assert exchange(tmp_path).stdout.strip() == "{'CM': 20, 'FO': 20, 'CD': 20}"
    assert exchange(tmp_path, "--holiday-list", str(tmp_path / "list.json")).stdout.strip() == "{'CM': 5}"
    refused = exchange(tmp_path, of=calendar.LIST).stderr
    assert HarvesterError.__name__ in refused
    assert "refused with HTTP 401" in refused, "without a page before there are no cookies"


@pytest.fixture
def saturday(cases: Path, tmp_path: Path) -> Path:
    """An inventory whose calendar has a disaster-recovery Saturday, taken over from a whole calendar file."""
    (tmp_path / "hosts.yml").write_text("harvesters: {hosts: {h1: }}\n", encoding="utf-8")
    found = calendar.fetch(str(cases / "calendar_dr_saturday.json"))
    calendar.write(tmp_path / "calendar.json", calendar.propose(calendar.current(None), found, "case", TODAY))
    return tmp_path


def test_a_special_saturday_reaches_functions_hosts_and_the_laptop(
    saturday: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = saturday / "calendar.json"
    for segment in ("nse_cash", "nse_fo", "bse_cash"):
        assert TradingCalendar.load(file).of(segment).session(SATURDAY), "an old file keeps the segments in force"  # type: ignore[arg-type]
    build = [sys.executable, "-m", "runbook.aws.archives", str(root / "files/functions"), str(saturday / "built")]
    asked = json.dumps({"market": "nse", "hosts": ["NSE:SBIN-EQ"], "feed": []})
    done = subprocess.run([*build, str(file)], input=asked, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(json.loads(done.stdout)["archives"]["morning"]) as archive:
        known = json.loads(archive.read("sessions.json"))
    opens, closes, _ = known["sessions"][SATURDAY.isoformat()]
    assert (opens[11:16], closes[11:16]) == ("09:00", "12:30")

    monkeypatch.setenv(ENVIRONMENT, str(file))
    selection = Selection(since=SATURDAY, until=SATURDAY)
    assert list(missing_days(set(), selection, today=SATURDAY + timedelta(days=1))) == [SATURDAY]
    monkeypatch.setenv(ENVIRONMENT, "")
    assert list(missing_days(set(), selection, today=SATURDAY + timedelta(days=1))) == []
    assert calendar.path_of(root, str(saturday)) == file
    assert calendar.path_of(root, str(saturday / "hosts.yml"), [{calendar.VARIABLE: "/else.json"}]) == Path(
        "/else.json"
    )


def test_hosts_and_functions_take_the_file_beside_the_inventory(saturday: Path, root: Path) -> None:
    [provision, *_] = yaml.safe_load((root / "playbooks/provision.yml").read_text("utf-8"))
    roles = provision["tasks"][1]["block"]
    [functions] = [
        each["vars"]["aws_functions_calendar_file"] for each in roles if each["name"] == "Make the functions"
    ]
    hosts = yaml.safe_load((root / "roles/harvester/defaults/main.yml").read_text("utf-8"))["harvester_calendar_file"]
    tasks = [
        {"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": functions}}]},
        {"hosts": "harvesters", "gather_facts": False, "tasks": [{"ansible.builtin.debug": {"msg": hosts}}]},
    ]
    (saturday / "play.yml").write_text(json.dumps(tasks), encoding="utf-8")
    program = str(Path(sys.executable).with_name("ansible-playbook"))

    def said(*more: str) -> int:
        command = [program, "-i", str(saturday / "hosts.yml"), str(saturday / "play.yml"), *more]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.count(f"msg: {saturday / 'calendar.json'}")

    assert said() == 2
    (saturday / "hosts.yml").write_text(
        "harvesters: {hosts: {h1: {harvester_calendar_file: /mine.json}}}\n", encoding="utf-8"
    )
    assert said() == 1, "the functions take what the hosts are told"


@contextmanager
def fleet(*states: str) -> Iterator[tuple[Environment, Any, list[str]]]:
    """An environment in AWS whose hosts are in these states."""
    names = Names("production", "alpha", "ap-south-1", "")
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    before = {name: os.environ.get(name) for name in keys}
    os.environ.update(keys)
    try:
        with mock_aws():
            ec2 = boto3.client("ec2", region_name=names.region)
            tags = [{"Key": key, "Value": value} for key, value in names.tags.items()]
            image = ec2.describe_images()["Images"][0]["ImageId"]
            made = []
            for number, state in enumerate(states, start=1):
                own = [*tags, {"Key": "Name", "Value": f"h{number}"}]
                one = ec2.run_instances(
                    ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": own}]
                )["Instances"][0]["InstanceId"]
                made.append(one)
                if state != "running":
                    ec2.stop_instances(InstanceIds=[one])
                    ec2_backends[ACCOUNT_ID][names.region].get_instance(one)._state.name = state
            yield Environment({"aws_account_id": ""}, names, Account(names.region, "")), ec2, made
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def states_of(ec2: Any, instances: list[str]) -> list[str]:
    found = ec2.describe_instances(InstanceIds=instances)["Reservations"]
    by_id = {one["InstanceId"]: one["State"]["Name"] for group in found for one in group["Instances"]}
    return [by_id[each] for each in instances]


def test_hosts_that_sleep_are_woken_for_it_and_sleep_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []
    with fleet("running", "stopped") as (here, ec2, instances):

        def site(name: str, target: Any, variables: Any, *, tags: list[str]) -> None:
            ran.append((name, variables, tags))
            ec2.start_instances(InstanceIds=instances)  # as the role does that makes hosts

        monkeypatch.setattr(calendar_delivery, "run", site)
        monkeypatch.setattr(calendar_delivery.environment, "load", lambda root, inventory: here)
        place = calendar_delivery.Place(
            None, tmp_path / "calendar.json", dict.fromkeys(calendar_delivery.VARIABLES, True)
        )

        assert calendar_delivery.deliver(tmp_path, None, place) == ["h2"]

        assert states_of(ec2, instances) == ["running", "stopped"]
    variable = {calendar.VARIABLE: str(tmp_path / "calendar.json")}
    assert ran == [("site", variable, ["aws", "harvester_config"])]


def test_hosts_that_slept_sleep_again_where_bringing_fails() -> None:
    with fleet("stopped", "stopping") as (here, ec2, instances):
        with pytest.raises(HarvesterError, match="the disk"), sleepers.left_asleep(here) as asleep:
            assert asleep == ["h1", "h2"]
            ec2.start_instances(InstanceIds=instances)
            raise HarvesterError("the disk is full")
        assert states_of(ec2, instances) == ["stopped", "stopped"]


def test_the_function_of_the_evening_counts_a_night_session_to_its_own_day(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(root / "files/functions"))
    from market import evening_at  # type: ignore[import-not-found]

    from runbook.aws.trading_days import calendars_of, sessions_file

    calendars = calendars_of(TradingCalendar.load(), ["NSE:SBIN-EQ", "MCX:GOLD26DECFUT"])
    (tmp_path / "sessions.json").write_text(json.dumps(sessions_file(calendars, date(2026, 11, 1))), encoding="utf-8")

    def at(text: str) -> Any:
        return evening_at(
            datetime.fromisoformat(text).replace(tzinfo=zone()), timedelta(hours=4), tmp_path / "sessions.json"
        )

    assert at("2026-11-30T20:00") is None, "gold is traded until 23:55"
    assert at("2026-12-01T00:09") is None
    assert at("2026-12-01T00:10")[0] == date(2026, 11, 30)
    assert at("2026-12-01T04:09")[0] == date(2026, 11, 30)
    assert at("2026-12-01T04:10") is None


def test_the_packaged_calendar_can_be_read_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "/nowhere.json")

    with pytest.raises(ConfigError, match=r"/nowhere\.json"):
        read_calendar()
    assert calendar.current(None)["market"].startswith("NSE")


def test_a_calendar_that_the_inventory_names_and_is_not_there_is_told_with_what_to_do(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "hosts.yml").write_text(
        "harvesters: {hosts: {h1: {harvester_calendar_file: /nowhere/mine.json}}}\n", encoding="utf-8"
    )

    with pytest.raises(ConfigError, match=r"/nowhere/mine\.json: there is no such file, and harvester_calendar_file"):
        calendar_delivery.look(root, str(tmp_path / "hosts.yml"))


def test_data_beside_the_hosts_is_no_inventory(saturday: Path, root: Path) -> None:
    """Ansible would make groups of whatever it can read in the folder."""
    (saturday / indices.FILE).write_text('[{"index": "NIFTY 50"}]', encoding="utf-8")
    program = str(Path(sys.executable).with_name("ansible-inventory"))

    command = [program, "-i", str(saturday), "--list"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)

    assert "WARNING" not in done.stderr
    assert json.loads(done.stdout)["all"]["children"] == ["ungrouped", "harvesters"]
