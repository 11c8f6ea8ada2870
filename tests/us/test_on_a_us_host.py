"""A booted host of the market us: site.yml builds it, a session goes from Schwab's stand-in to lake and PostgreSQL."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from tests.conftest import ROOT
from tests.postgresql_server import Base, Server, stoppable_server
from tests.scenarios import changes, lab_machine
from tests.sre.world import DATA, HOST, REGION, World, operator_environment, repeat_until
from tests.us.test_us_session import arm, ask, connection, rows_of, stored

from exchange.client import open_client
from exchange.grants import Grants
from exchange.state import StateDir
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.market import entered
from lab import calendar, claims, labs
from lab.labs import HostWish
from lab.testing import RunningLab

__all__ = ["lab_machine"]
pytestmark = pytest.mark.long
SECONDS, PATIENCE, EARLY_SECONDS = 250, 600, 40
LOGIN, SECRET, DSN = (
    f"/alpha-harvester/lab/{name}" for name in ("schwab/access-token", "schwab/app-secret", "postgres/dsn")
)
SETTINGS = """\
harvester_market: us
harvester_settings:
  host_id: us1
  symbols: [QQQ, SPY]
  broker: {{kind: schwab, app_id: {key}}}
  feeds: [schwab-history, schwab-stream]
  candles: {{resolution: 1, every_seconds: 60, final_after_seconds: 30}}
  token: {{source: ssm, parameter: {login}, region: {region}, renew: {{app_secret: "ssm:{secret}"}}}}
  deliveries:
    - {{name: rows, kind: postgres, place: "ssm:{dsn}", region: {region}, live: true, ca_file: {installed}}}
harvester_rows_environment: "{{{{ harvester_token_agent_environment }}}}"
harvester_rows_ports: [{port}, 5000]
harvester_rows_ca_file: {authority}
host_hardening_egress_tcp_ports: [53, 80, 443, 5000, {port}]
"""


@dataclass
class UsHost:
    """The host, the login that it was given, and the database that its rows go to."""

    world: World
    server: Server
    base: Base
    grants: Grants
    first_token: str

    def read(self, path: str) -> Any:
        """JSON of a file on the host; nothing where there is none."""
        found = self.world.host(f"cat {path}", check=False)
        return json.loads(found.stdout) if found.returncode == 0 and found.stdout else {}

    def status(self) -> Any:
        """The recorder's."""
        return self.read("/run/harvester-recorder/status.json")

    def rows(self) -> tuple[list[Any], list[Any]]:
        """Prices and averages of QQQ."""
        return stored(self.base, "equity_data", "price, volume"), stored(self.base, "indicators", "sma9, vwap")

    def first_rows(self, minutes: int) -> tuple[list[Any], list[Any]]:
        """Of so many minutes."""
        prices, averages = self.rows()
        return prices[:minutes], averages[:minutes]

    def settled_rows(self, served: list[dict[str, float]]) -> tuple[list[Any], list[Any]] | None:
        """Its rows where each minute but the one under way is as it was served, early in a minute; else None."""
        is_early, found = time.time() % 60 < EARLY_SECONDS, self.rows()
        return found if is_early and found[1] and found == rows_of(served[:-1]) else None

    def mebibytes(self, unit: str, what: str) -> float:
        """What the kernel says of the main process of a unit, such as VmHWM."""
        script = f"grep {what} /proc/$(systemctl show --property MainPID --value {unit})/status"
        return int(self.world.host(script).stdout.split()[1]) / 1024


@pytest.fixture(scope="module", autouse=True)
def _market() -> Iterator[None]:
    with entered("us"):
        yield


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, _market: None) -> Iterator[UsHost]:
    """Booted, given a login whose access token soon ends, and a database; not yet built."""
    folder = tmp_path_factory.mktemp("us")
    state = folder / "lab"
    state.mkdir(mode=0o700)
    try:
        calendar.write_calendar(state / "calendar.json", calendar.closed_calendar(calendar.market_today()))
        said: list[str] = []
        started = labs.bring_up(state, [HostWish(HOST)], said.append, market="us")
        lab, claim = RunningLab(state, {entry.host.name: entry for entry in started}, said), claims.find_lab(state)
        assert claim
        with stoppable_server(claim.address) as server:
            grants = Grants(StateDir(state / "exchange"), SystemClock())
            values = {"login": LOGIN, "secret": SECRET, "dsn": DSN, "region": REGION, "port": server.port}
            values["installed"] = "/etc/harvester/rows-ca.crt"
            settings = SETTINGS.format(key=grants.app.key, authority=server.folder / "ca.crt", **values)
            environment = operator_environment(ROOT, folder, state, "")
            (folder / "inventory/group_vars/harvesters/us.yml").write_text(settings)
            world = World(ROOT, state, lab, claim.address, environment)
            kept = grants.token_file()
            kept["token"]["expires_at"] = time.time_ns() // NS_PER_SECOND + 100
            base = server.create()
            secrets = {LOGIN: json.dumps(kept), SECRET: grants.app.secret, DSN: base.tls()}
            for name, value in secrets.items():
                world.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString")
            yield UsHost(world, server, base, grants, kept["token"]["access_token"])
    finally:
        labs.bring_down(state)
        shutil.rmtree(folder, ignore_errors=True)


def test_site_builds_it_and_a_second_run_changes_nothing(host: UsHost, figure: Any) -> None:
    check = host.world.here("ansible-playbook site.yml --check --diff")
    first = host.world.here("ansible-playbook site.yml")
    second = host.world.here("ansible-playbook site.yml")

    for each in (check, first, second):
        assert each.code == 0, each.output[-4000:] + each.errors
    figure("us_host_second_run_changed", changes(second.output), bound="== 0", unit="tasks", gate=True)
    timers = host.world.host("systemctl cat harvester-close.timer").stdout
    assert "America/New_York" in timers and "Kolkata" not in timers


def test_a_session_reaches_the_database_over_its_bad_day_and_the_lake(host: UsHost, figure: Any) -> None:
    """A minute is corrected; then the database goes, the broker logs the recorder out, and the session ends."""
    world, state = host.world, host.world.state / "exchange"
    opens, closes = calendar.announce(world.state / "calendar.json", lead_seconds=30, seconds=SECONDS)
    world.deliver_calendar()

    with open_client(state) as client:
        before = repeat_until(lambda: host.settled_rows(ask(client, host.grants)), PATIENCE)[0]
        assert before, "the first minute never was a row as history has it"
        arm(state, "revise", symbol="QQQ")
        minutes = len(before[0])
        corrected = rows_of(ask(client, host.grants)[:minutes])
        assert all(was[-1] != now[-1] for was, now in zip(before, corrected, strict=True))
        repeat_until(lambda: host.first_rows(minutes) == corrected, PATIENCE)
        assert host.first_rows(minutes) == corrected, "the row and its averages follow the correction"
        host.server.stop()
        attempt = connection(host.status())["attempt"]
        arm(state, "log_out")
        assert repeat_until(lambda: connection(host.status())["attempt"] > attempt, PATIENCE)[0]
        assert repeat_until(lambda: connection(host.status())["missing"] == 0, PATIENCE)[0]
        repeat_until(lambda: host.status().get("candles", {}).get("settled") == 2, PATIENCE)
        assert host.status()["candles"]["settled"] == 2
        host.server.start()
        served = ask(client, host.grants)
    repeat_until(lambda: len(host.rows()[1]) == len(served), PATIENCE)

    assert len(served) > 3 and datetime.now(closes.tzinfo) > closes
    assert host.rows() == rows_of(served)
    handed = host.read("/run/harvester-token/access-token")["access_token"]
    assert handed != host.first_token and host.grants.admits(handed), "renewed before its end"
    figure("us_host_recorder_mib", host.mebibytes("harvester-recorder", "VmRSS"), bound="<= 48", unit="MiB")
    figure("us_host_rows_mib", host.mebibytes("harvester-rows-live", "VmHWM"), bound="<= 64", unit="MiB")
    repeat_until(lambda: not world.host(f"find {DATA}/journal -name '*.open'").stdout, PATIENCE)
    world.host(f"systemctl start harvester-close@{opens.date()}")
    said = world.host(f"journalctl --unit harvester-close@{opens.date()} --output cat").stdout
    assert f"QQQ (schwab-history): {len(served)} bars of {len(served)}," in said
    assert world.host("systemctl --failed --plain --no-legend").stdout == ""


def test_the_closed_day_names_the_logout_and_has_no_provisional_minute(host: UsHost) -> None:
    certificate = json.loads(host.world.host(f"cat $(find {DATA}/lake/certificate -name '*.json')").stdout)

    section, stream = certificate["candles"], certificate["streams"]["schwab-stream"]
    bars = section["symbols"]["QQQ"]
    assert section["unexplained_bars"] == stream["unexplained_ns"] == 0
    assert bars["recorded"] == bars["final"] == bars["expected"] and "provisional_by_cause" not in bars
    assert bars["revised"] >= 1 and stream["symbols"]["QQQ"]["minutes"] >= 1
    assert stream["connections"][0]["cause"] == "disconnect", "the logout"
