"""The main job on a booted host, and what an operator does with it until its end; the cases are in order."""

import hashlib
import json
import re
import shutil
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from tests.demo.conftest import NAMES, SESSION_SECONDS, Account, invoke, needs_root, run_playbook

from lab.demo.host import AWS_PLAYS
from lab.demo.login import FLAGS, find_chromium
from lab.testing import leftovers
from runbook.aws.leftovers import left_with_tags
from runbook.aws.teardown import plan

pytestmark = needs_root
INTERVAL_SECONDS = 2
PICTURE = Path(__file__).resolve().parents[2] / "docs" / "report.png"
REPORT_SIZE = {"width": 1100, "height": 760}


def test_every_expected_poll_is_data_or_in_the_ledger(demo: dict[str, Any], figure: Any) -> None:
    expected = SESSION_SECONDS // INTERVAL_SECONDS
    for row in demo["symbols"].values():
        assert row["expected"] == expected
        assert row["recorded"] + sum(row["gaps"].values()) == expected
    figure("unexplained_polls", demo["unexplained"], bound="== 0", unit="polls", gate=True)
    figure("coverage", demo["updates"] / demo["expected"], bound=">= 0.95", unit="share", gate=True)
    figure("demo_set_up_s", sum(list(demo["seconds"].values())[:3]), bound="<= 90", unit="s")
    figure("demo_total_s", sum(demo["seconds"].values()), bound="<= 300", unit="s")


def test_every_moment_of_the_sockets_is_data_or_in_the_ledger(demo: dict[str, Any], figure: Any) -> None:
    figure("unexplained_stream_ns", demo["unexplained_stream_ns"], bound="== 0", unit="ns", gate=True)
    covered = [stream["coverage"] for feeds in demo["streams"].values() for stream in feeds.values()]
    figure("socket_coverage", min(covered), bound=">= 0.95", unit="share", gate=True)
    levels = {symbol: set(feeds) for symbol, feeds in demo["streams"].items()}
    assert all("fyers-hsm" in feeds for feeds in levels.values())
    assert sum("fyers-tbt" in feeds for feeds in levels.values()) == 1
    assert set(levels) == set(demo["symbols"])


def test_what_the_exchange_served_came_home(demo: dict[str, Any], figure: Any) -> None:
    figure("served_and_not_recorded", demo["exchange"]["missing"], bound="== 0", unit="answers", gate=True)
    figure("recorded_and_never_served", demo["exchange"]["foreign"], bound="== 0", unit="answers", gate=True)
    figure("frames_sent_and_not_recorded", demo["sockets"]["missing"], bound="== 0", unit="frames", gate=True)
    figure("frames_recorded_and_never_sent", demo["sockets"]["foreign"], bound="== 0", unit="frames", gate=True)
    assert set(demo["sdk"]["books"]) == set(demo["symbols"])


def test_the_brokers_own_bars_are_recorded_delivered_and_due(demo: dict[str, Any], figure: Any) -> None:
    assert set(demo["candles"]) == {"NSE:HDFCBANK-EQ", "NSE:RELIANCE-EQ"}
    for row in demo["candles"].values():
        assert row["expected"] >= SESSION_SECONDS // 10
        assert row["recorded"] + sum(row["gaps_by_cause"].values()) == row["expected"]
    share = [row["recorded"] / row["expected"] for row in demo["candles"].values()]
    figure("candles_recorded", min(share), bound=">= 0.9", unit="share", gate=True)
    symbols = [key.split("/")[2].removeprefix("symbol=") for key in demo["delivery"]["tables"]]
    assert symbols == ["HDFCBANK", "RELIANCE"]
    assert demo["dues"]["named"]["feed fyers-history"] in ("met", "partial")
    assert "price-feed price-feed" in demo["dues"]["named"]
    assert not {"missing", "unknown"} & demo["dues"]["states"].keys()


def test_the_files_are_here_with_their_hashes(demo: dict[str, Any], root: Path) -> None:
    kinds = {Path(file["path"]).parts[0] for file in demo["files"]}
    assert kinds >= {"depth_v3", "quotes_v3", "depth50_v3", "bars_v3", "candles_v3", "gaps_v3", "raw"}
    for file in demo["files"]:
        content = (root / demo["lake"] / file["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]


def test_the_login_went_through_a_browser_where_there_is_one(demo: dict[str, Any]) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    assert re.match(r"headless Chromium \d+\." if browser else "plain HTTP", demo["login"]), demo["login"]


def test_the_account_has_what_site_yml_is_to_make(demo: dict[str, Any], account: Account, root: Path) -> None:
    found = account.client("ec2").describe_instances(Filters=[{"Name": "tag:Name", "Values": ["h1"]}])
    [instance] = [each for reservation in found["Reservations"] for each in reservation["Instances"]]
    assert instance["State"]["Name"] == "running"
    assert instance["KeyName"] == NAMES.key_pair
    [group] = account.client("ec2").describe_security_groups(GroupIds=[instance["SecurityGroups"][0]["GroupId"]])[
        "SecurityGroups"
    ]
    [rule] = group["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"], len(rule["IpRanges"])) == (22, 22, 1)
    functions = {each["FunctionName"] for each in account.client("lambda").list_functions()["Functions"]}
    assert NAMES.function("dead-man") in functions
    token = account.client("ssm").get_parameter(Name=NAMES.parameter("access_token"), WithDecryption=True)
    assert token["Parameter"]["Type"] == "SecureString"
    kinds = demo["aws"]["resources"]
    assert sum(kinds.values()) == len(plan(account, NAMES, account.id))
    assert {"role", "topic", "alarm", "dashboard", "budget", "schedules", "host with its disk"} <= set(kinds)


def test_the_bucket_holds_every_file_with_its_hash(demo: dict[str, Any], account: Account, figure: Any) -> None:
    s3, bucket = account.client("s3"), NAMES.bucket(account.id)
    lacking = 0
    for file in demo["files"]:
        content = s3.get_object(Bucket=bucket, Key=f"lake/{file['path']}")["Body"].read()
        lacking += hashlib.sha256(content).hexdigest() != file["sha256"]
    figure("files_wrong_in_the_bucket", lacking, bound="== 0", unit="files", gate=True)
    assert demo["aws"]["verified"] == demo["aws"]["objects"] == len(demo["files"])


def test_a_second_site_run_changes_nothing(demo: dict[str, Any], root: Path, figure: Any) -> None:
    # The demo announced its session to the host alone; the functions, whose calendar it is, too, are told by this.
    code, output, _ = run_playbook(root, "site.yml", "--tags", "aws")
    assert code == 0, output[-4000:]
    began = time.monotonic()
    code, output, plays = run_playbook(root, "site.yml")
    seconds = time.monotonic() - began

    assert code == 0, output[-4000:]
    rows = dict(re.findall(r"^(\S+)\s*: ok=\d+\s+changed=(\d+)", output, re.MULTILINE))
    assert set(rows) == {"localhost", "h1"}
    figure("second_run_changed", sum(map(int, rows.values())), bound="== 0", unit="tasks", gate=True)
    aws = sum(plays[play] for play in AWS_PLAYS)
    figure("second_run_aws_s", round(aws, 1), bound="<= 20", unit="s")
    figure("second_run_s", round(seconds - aws, 1), bound="<= 15", unit="s")


def test_the_operator_sees_a_healthy_host(demo: dict[str, Any], root: Path) -> None:
    result = invoke(root, "status", "--json")

    assert result.returncode == 0, result.stdout + result.stderr
    assert [answer["healthy"] for answer in json.loads(result.stdout)] == [True]


def test_a_second_pull_brings_nothing_again(demo: dict[str, Any], root: Path) -> None:
    output = str(Path(demo["lake"]).parent)
    before = {path: path.stat().st_mtime_ns for path in (root / demo["lake"]).rglob("*") if path.is_file()}

    result = invoke(root, "pull-data", "--raw", "--output", output)

    assert result.returncode == 0, result.stdout + result.stderr
    assert {path: path.stat().st_mtime_ns for path in (root / demo["lake"]).rglob("*") if path.is_file()} == before


def test_the_lake_answers_in_sql(demo: dict[str, Any], root: Path) -> None:
    question = "select symbol, feed, count(*) n from depth group by all"
    result = invoke(root, "query", question, "--json", "--lake", demo["lake"])

    assert result.returncode == 0, result.stderr
    found = {(row["symbol"], row["feed"]): row["n"] for row in json.loads(result.stdout)}
    polled = {(symbol, "fyers-rest"): row["updates"] for symbol, row in demo["symbols"].items()}
    streamed = {(symbol, "fyers-hsm"): row["fyers-hsm"]["updates"]["depth"] for symbol, row in demo["streams"].items()}
    assert found == polled | streamed


@pytest.mark.skipif(find_chromium() is None, reason="there is no chromium here (apt-get install chromium)")
def test_the_report_shows_the_day_in_a_browser(
    demo: dict[str, Any], root: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    from playwright.sync_api import sync_playwright

    said: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page(viewport=REPORT_SIZE)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((root / demo["report"]).as_uri())
        shown = page.inner_text("body")
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        picture = PICTURE if pytestconfig.getoption("--pictures") else tmp_path / PICTURE.name
        page.screenshot(path=picture)
        browser.close()

    assert said == []
    assert [symbol for symbol in demo["symbols"] if symbol.split(":")[1] not in shown] == []
    assert overflow <= 0
    assert png_size(picture) == png_size(PICTURE) == (REPORT_SIZE["width"], REPORT_SIZE["height"])


def png_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the header."""
    return struct.unpack(">II", path.read_bytes()[16:24])


def test_the_clean_up_plan_takes_nothing_of_the_newest_days(demo: dict[str, Any], root: Path) -> None:
    result = invoke(root, "cleanup", "--dry-run", "--output", str(Path(demo["lake"]).parent))

    assert result.returncode == 0, result.stdout + result.stderr


def test_a_restart_is_accounted_for(demo: dict[str, Any], root: Path) -> None:
    assert invoke(root, "restart").returncode == 0
    assert invoke(root, "status").returncode == 0


def test_replacing_the_host_brings_its_data_home_first(demo: dict[str, Any], account: Account, root: Path) -> None:
    def running() -> list[str]:
        filters = [{"Name": "tag:Name", "Values": ["h1"]}, {"Name": "instance-state-name", "Values": ["running"]}]
        found = account.client("ec2").describe_instances(Filters=filters)["Reservations"]
        return [instance["InstanceId"] for reservation in found for instance in reservation["Instances"]]

    [before] = running()
    output = f"{Path(demo['lake']).parent}-replaced"
    where = ["--host", "h1", "--inventory", "inventory/lab", "--output", output]

    result = invoke(root, "replace-host", "--yes", *where)

    assert result.returncode == 0, result.stdout[-4000:] + result.stderr
    [after] = running()
    assert after != before
    verified = invoke(root, "verify-data", "--output", output)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert len(list((root / output / "lake").glob("depth_v3/**/*.parquet"))) == 1
    assert invoke(root, "status").returncode == 0


def test_destroy_empties_the_account(demo: dict[str, Any], account: Account, root: Path, figure: Any) -> None:
    output = str(Path(demo["lake"]).parent)
    refused = invoke(root, "destroy", "--yes", "--inventory", "inventory/lab", "--output", f"{output}-of-nobody")
    assert refused.returncode == 1
    assert "Nothing was removed, because this would be lost: h1" in refused.stderr

    assert invoke(root, "pull-data", "--raw", "--output", output).returncode == 0  # what the restart left, too
    result = invoke(root, "destroy", "--yes", "--inventory", "inventory/lab", "--output", output)

    assert result.returncode == 0, result.stdout + result.stderr
    left = [*left_with_tags(account, NAMES), *plan(account, NAMES, account.id)]
    left += account.client("s3").list_buckets()["Buckets"] + account.client("lambda").list_functions()["Functions"]
    left += account.client("iam").list_roles()["Roles"]
    parameters = [each["Name"] for each in account.client("ssm").describe_parameters()["Parameters"]]
    left += [name for name in parameters if not name.startswith("/aws/service/")]  # AWS's own, which anybody sees
    figure("resources_left_after_destroy", len(left), bound="== 0", unit="resources", gate=True)


def test_the_lab_goes_without_a_trace(demo: dict[str, Any], root: Path) -> None:
    assert invoke(root, "lab-down").returncode == 0

    assert not (root / ".lab").exists()
    assert leftovers() == set()
