"""The live delivery as the process that systemd starts: rows, memory, signals, a DSN in SSM, what people are told."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from tests.journals import DAY, OPEN_NS
from tests.postgres.conftest import MINUTE_NS, SBIN, RowHost
from tests.postgres.test_live import bar
from tests.postgresql_server import Server
from tests.storage.lake.candles import said

from harvester.alerts.message import Severity
from harvester.alerts.notice import parse_notice
from harvester.cli import run
from harvester.health.live_rows import check_rows, live_folder, read_live
from harvester.postgres.live import Keeper

REGION = "ap-south-1"
AT_TEN = """
import sys, time
from harvester.base.clock import SystemClock
ahead = {now_ns} - time.time_ns()
SystemClock.wall_ns = lambda _: time.time_ns() + ahead
from harvester.cli import main
main(sys.argv[1:])
"""
"""The command, on a clock of the test's own hour."""


def wait_for(what: Callable[[], Any], process: "subprocess.Popen[bytes] | None" = None) -> Any:
    deadline = time.monotonic() + 120
    while not (found := what()):
        assert process is None or process.poll() is None, "it has ended"
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


def wait_for_tables(host: RowHost, process: "subprocess.Popen[bytes]") -> None:
    """Which the service makes, in one transaction, after it has written how far it is."""
    wait_for(lambda: "equity_data" in str(host.base.run("SELECT tablename FROM pg_tables")), process)


@contextmanager
def serving(host: RowHost, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    assert host.settings
    now_ns = OPEN_NS + 10 * MINUTE_NS
    words = [sys.executable, "-c", AT_TEN.format(now_ns=now_ns), "deliver-rows", "--live"]
    words += ["--config", str(host.root / "config.json")]
    with (host.root / "said").open("wb") as log:
        process = subprocess.Popen(words, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (host.root / "said").read_text()
    finally:
        process.kill()
        process.wait()


def test_the_service_delivers_each_minute_in_little_memory_and_ends_when_asked(host: RowHost, figure: Any) -> None:
    recorder = host.recorder()
    recorder.answer(2.05, SBIN, said(bar(0, 800), bar(1, 801)))
    with serving(host) as process:
        wait_for(lambda: (live_folder(host.settings, "rows") / "live.json").exists(), process)
        wait_for_tables(host, process)
        wait_for(lambda: len(host.rows()) == 2, process)
        recorder.answer(3.05, SBIN, said(bar(2, 802)))
        wait_for(lambda: len(host.rows("indicators")) == 3, process)
        status = Path(f"/proc/{process.pid}/status").read_text()
        [peak] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
        figure("live delivery of rows, memory at most", round(peak / 1024, 1), bound="<= 64", unit="MiB", gate=True)
        wait_for(lambda: read_live(live_folder(host.settings, "rows")).fetched == {"SBIN": 3}, process)


def test_a_dsn_in_ssm_is_handed_over_by_a_process_of_its_own_and_read_anew_when_it_is_refused(
    host: RowHost, server: Server, tmp_path: Path
) -> None:
    moto = ThreadedMotoServer(port=0, verbose=False)
    moto.start()
    try:
        _, port = moto.get_host_and_port()
        endpoint = f"http://127.0.0.1:{port}"
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        keys |= {"AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": REGION}
        ssm = boto3.client("ssm", region_name=REGION, endpoint_url=endpoint, aws_access_key_id="testing",
                           aws_secret_access_key="testing")  # fmt: skip
        name = "/alpha-harvester/lab/postgres/dsn"
        ssm.put_parameter(Name=name, Value=host.base.tls(password="of yesterday"), Type="SecureString")
        host.delivery_changes = {"place": f"ssm:{name}", "ca_file": str(server.folder / "ca.crt")}
        host.recorder().answer(2.05, SBIN, said(bar(0, 800), bar(1, 801)))
        with serving(host, **keys) as process:
            folder = live_folder(host.settings, "rows")
            problem = wait_for(lambda: (found := read_live(folder)) and found.problem, process)
            assert "password authentication failed" in problem and "of yesterday" not in problem
            ssm.put_parameter(Name=name, Value=host.base.tls(), Type="SecureString", Overwrite=True)
            wait_for_tables(host, process)
            wait_for(lambda: len(host.rows()) == 2, process)
    finally:
        moto.stop()


def test_a_dsn_is_not_shown_to_a_person(host: RowHost, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert host.settings
    words = ["deliver-rows", "--dsn", "--name", "rows", "--config", str(host.root / "config.json")]
    assert run(words) == 0 and json.loads(capsys.readouterr().out) == host.base.dsn
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert run(words) == 2
    assert capsys.readouterr().err.startswith("harvester: --dsn is for the service: it hands a secret to a pipe")


def test_the_command_brings_days_and_says_so(host: RowHost, capsys: Any) -> None:
    host.recorder().answer(2.05, SBIN, said(bar(0, 800), bar(1, 801)))
    assert host.settings
    words = ["deliver-rows", "--date", str(DAY), "--config", str(host.root / "config.json")]
    assert run(words) == 0
    home = f"postgresql://{host.base.server.sockets}:{host.base.server.port}/{host.base.name}"
    assert capsys.readouterr().out == (
        f"{DAY}: complete, 4 rows of 1 symbols verified in {home}; public.equity_data, public.indicators\n"
    )
    assert run(words) == 0 and capsys.readouterr().out == f"{DAY}: complete in {home}\n"
    assert run([*words, "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert (found["date"], found["delivery"], found["complete"], found["records"]) == (str(DAY), "rows", True, 4)
    host.dsn = host.base.dsn.replace("dbname=", "dbname=no")
    assert host.settings and run(words) == 1
    assert "Correct user and database in the DSN, or create them." in capsys.readouterr().err
    (host.root / "dsn").unlink()
    assert run(words) == 2
    assert "no DSN is stored there. Store one: on the host, sudo install -o harvester-rows" in capsys.readouterr().err


def test_people_are_told_of_what_lasts_and_of_its_end(host: RowHost) -> None:
    told: list[str] = []
    good, host.dsn = host.base.dsn, host.base.dsn.replace("dbname=", "dbname=no")
    host.recorder().answer(2.05, SBIN, said(bar(0, 800), bar(1, 801)))
    folder = live_folder(host.settings, "rows")
    keeper = Keeper(host.live(), folder, host.clock, told.append)

    waits = []
    for _ in range(7):
        waits.append(keeper.turn(DAY))
        host.clock.now_ns += 19_000_000_000
    assert waits == [1, 2, 4, 8, 16, 30, 30] and told == []
    [check] = check_rows(host.settings, host.clock.now_ns)
    assert not check.ok and "Correct user and database in the DSN" in check.detail
    keeper.turn(DAY)
    keeper.turn(DAY)
    assert len(told) == 1 and "Correct user and database in the DSN" in told[0]
    host.dsn = good
    assert host.settings and keeper.turn(DAY) == 0.25
    assert told[1:] == [""] and len(host.rows()) == 2
    [check] = check_rows(host.settings, host.clock.now_ns)
    assert check.ok and check.detail.startswith("newest bar of 2026-11-23: 2026-11-23T03:46:00+00:00, in postgresql://")
    [check] = check_rows(host.settings, host.clock.now_ns + 200_000_000_000)
    assert not check.ok and check.detail == "the live delivery looked 200 s ago"


def test_a_notice_names_the_delivery(host: RowHost) -> None:
    from harvester.commands.deliver_rows import _tell

    inbox = host.root / "inbox"
    inbox.mkdir(parents=True)
    host.changes = {"alerts": {"inbox": str(inbox)}}
    _tell(host.settings, "rows", "it is full")
    [path] = inbox.iterdir()
    notice = parse_notice(path.read_bytes())
    assert (notice.severity, notice.source, notice.host) == (Severity.WARNING, "delivery rows", "lab1")
    assert notice.text == "bars do not reach the database of rows: it is full"
