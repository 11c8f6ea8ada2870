"""An account on a moved clock: its functions run as built, its schedules fire, its alarms are judged each minute."""

import base64
import importlib
import json
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from tests.aws_days.alarms import MINUTE, Alarm
from tests.aws_days.cloud import Cloud, Instance
from tests.aws_days.rendering import HOSTS, NAMES, ROOT
from tests.aws_days.timetable import is_due

from harvester.base.aws_names import NAMESPACE
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.market import to_local, zone
from harvester.base.redaction import Secret
from harvester.calendar import TradingCalendar
from harvester.tokens.expiry import expires_at_ns
from lab.aws.server import REGION
from runbook.aws.archives import build
from runbook.fleet.environment import variables_set
from runbook.fleet.vendored import vendored_files

CALLED_AFTER = timedelta(seconds=20)
"""The scheduler fires within the minute, and not at its beginning."""
RETRIES = (timedelta(minutes=1), timedelta(minutes=2))
"""Lambda calls a function that failed once more after one minute, and after two more:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
}
UPDATES_A_MINUTE = 120
MISSING_FROM = "17:00"
"""An hour after a day's delivery is due (harvester.dues.deliveries)."""
UPLOADED_AFTER = timedelta(minutes=25)
PUSHED_AT = "07:30"
TOKEN = NAMES.parameter("access_token")


@dataclass
class Host:
    """What runs on a machine. Faults: `dead` gives no sign of life, `deaf` records nothing, `stuck` uploads nothing.

    `undelivered`: deliveries of the day that are not made, from the evening on; they are missing from 17:00 on.
    `timed`: the minutes at which one of its timers for packages fired, by timer. None is persistent.
    """

    instance: Instance
    dead: bool = False
    deaf: bool = False
    stuck: bool = False
    undelivered: int = 0
    recorded: set[datetime] = field(default_factory=set)
    timed: dict[str, list[datetime]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.instance.tags["Name"]


@dataclass
class Call:
    """A call of a function that is due at `at`, with its schedule's input; `tried`: how often it failed before."""

    at: datetime
    function: str
    event: dict[str, str]
    tried: int = 0


class World:
    """The account from `begin` on. A person logs in each morning, while the hosts sleep, but on `forgotten` days.

    `failures`: what functions raised.
    """

    def __init__(
        self, rendered: Any, modules: dict[str, ModuleType], calendar: TradingCalendar, begin: datetime
    ) -> None:
        machines = [Instance(identity, {**NAMES.tags, "Name": name}) for name, identity in HOSTS.items()]
        self.cloud, self._begin = Cloud(begin, machines), begin
        self.hosts = [Host(machine) for machine in machines]
        self.alarms = {name: Alarm(dict(settings)) for name, settings in rendered["alarms"].items()}
        self.failures: list[str] = []
        self.forgotten: set[str] = set()
        self.timers: dict[str, frozenset[datetime]] = {}
        self._schedules, self._modules = rendered["schedules"], modules
        self._functions = {one["name"]: one for one in rendered["functions"]}
        self._calls: list[Call] = []
        self._calendar = calendar

    @property
    def now(self) -> datetime:
        return self.cloud.now

    def run(self, until: datetime) -> None:
        """Let time pass, minute by minute; `cloud.told` and `cloud.done` say what happened."""
        while self.now < until:
            minute = self.now
            self._judge_alarms()
            if f"{minute:%H:%M}" == PUSHED_AT and f"{minute:%Y-%m-%d}" not in self.forgotten:
                self.push_token()
            for host in self.hosts:
                self._live(host)
            self.cloud.now = after(minute, CALLED_AFTER)
            self._call_what_is_due(minute)
            self.cloud.now = after(minute, MINUTE)

    def openings(self) -> list[datetime]:
        """When continuous trading began, on each day up to now."""
        days = [self._begin.date() + timedelta(days=number) for number in range((self.now - self._begin).days + 2)]
        windows = [window for day in days for window in self._calendar.windows(day, ("continuous",))]
        return [to_local(begins) for begins, _ in windows]

    def _judge_alarms(self) -> None:
        for name, alarm in self.alarms.items():
            for action in alarm.evaluate(self.cloud.metrics, self.now):
                if action.endswith(f":{NAMES.topic}"):
                    what = name.removeprefix(f"{NAMES.stem}-")
                    self.cloud.told.append(f"{self.now:%Y-%m-%d %H:%M} {alarm.state} {what}")

    def _live(self, host: Host) -> None:
        """What is put each minute: AWS's checks of the machine, and what the host says of itself."""
        if host.instance.state(self.now) != "running":
            return
        for check in ("StatusCheckFailed_System", "StatusCheckFailed_Instance"):
            self._put("AWS/EC2", check, 0, InstanceId=host.instance.identity)
        if host.dead:
            return
        for timer, times in self.timers.items():
            if self.now in times:
                host.timed.setdefault(timer, []).append(self.now)
        is_recording = self._is_trading(self.now - MINUTE) and self.has_token() and not host.deaf
        if is_recording:
            host.recorded.add(self.now)
        if not host.stuck:
            self._upload(host)
        updates = UPDATES_A_MINUTE if is_recording else 0
        missing = host.undelivered if f"{self.now:%H:%M}" >= MISSING_FROM else 0
        values = {
            **{"Heartbeat": 1, "Updates": updates, "DiskUsedPercent": 40, "MemoryUsedPercent": 60},
            **{"DuesUndelivered": host.undelivered, "DuesMissing": missing},
        }
        for name, value in values.items():
            self._put(NAMESPACE, name, value, Environment=NAMES.stem, Host=host.name)

    def _upload(self, host: Host) -> None:
        """Ten minutes into the evening a day is closed and in the bucket."""
        session = self._calendar.session(self.now.date())
        if session is None or self.now < to_local(session.phases[-1].close_ns) + UPLOADED_AFTER:
            return
        prefix = f"lake/manifest/date={self.now.date()}/host={host.name}"
        self.cloud.objects.add(f"{prefix}/manifest-1.json")

    def has_token(self) -> bool:
        """Whether the stored token is valid now."""
        stored = self.cloud.secrets.parameters.get(TOKEN)
        ends_ns = expires_at_ns(Secret(str(stored[-1]))) if stored else None
        return ends_ns is not None and ends_ns > self.now.timestamp() * NS_PER_SECOND

    def push_token(self) -> None:
        """Store a token as the broker gives it: until six in the morning."""
        ends = (self.now + timedelta(days=self.now.hour >= 6)).replace(hour=6, minute=0)
        claims = base64.urlsafe_b64encode(json.dumps({"exp": int(ends.timestamp())}).encode()).decode().rstrip("=")
        self.cloud.secrets.parameters.setdefault(TOKEN, []).append(f"e30.{claims}.c2ln")

    def _put(self, namespace: str, name: str, value: float, **dimensions: str) -> None:
        listed = [{"Name": key, "Value": text} for key, text in dimensions.items()]
        metric = {"Namespace": namespace, "MetricName": name, "Dimensions": listed}
        self.cloud.metrics.put(metric, value, self.now)

    def _is_trading(self, moment: datetime) -> bool:
        windows = self._calendar.windows(moment.date(), ("continuous",))
        return any(to_local(begins) <= moment < to_local(ends) for begins, ends in windows)

    def _call_what_is_due(self, minute: datetime) -> None:
        for schedule in self._schedules:
            if is_due(schedule["expression"], minute):
                self._reach(schedule["target"], minute)
        due = [call for call in self._calls if call.at <= self.now]
        self._calls = [call for call in self._calls if call.at > self.now]
        for call in due:
            self._call(call)

    def _reach(self, target: dict[str, Any], minute: datetime) -> None:
        """Call a target, with the context attributes that the scheduler puts into its input:
        https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
        """
        time = f"{minute.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        event = json.loads(target["Input"].replace("<aws.scheduler.scheduled-time>", time))
        self._calls.append(Call(self.now, target["Arn"].rpartition(":")[2], event))

    def _call(self, call: Call) -> None:
        """Call a function in its own environment; what it raises is an error of it, and is tried again."""
        function, failed = self._functions[call.function], ""
        with variables_set({**ENVIRONMENT, **function["environment"]}):
            try:
                self._modules[function["id"]].handler(call.event, None)
            except Exception as error:
                failed = f"{type(error).__name__}: {error}"
        self._put("AWS/Lambda", "Errors", float(bool(failed)), FunctionName=call.function)
        if not failed:
            return
        self.failures.append(f"{self.now:%Y-%m-%d %H:%M} {function['id']}: {failed}")
        if call.tried < len(RETRIES):
            again = self.now + RETRIES[call.tried]
            self._calls.append(Call(again, call.function, call.event, call.tried + 1))
        else:
            self.cloud.told.append(f"{self.now:%Y-%m-%d %H:%M} failed: {function['id']}")


@contextmanager
def deployed(folder: Path, calendar: TradingCalendar, today: date) -> Iterator[dict[str, ModuleType]]:
    """The functions' modules by id, imported from what `today`'s archives hold; those of others are set aside."""
    archives = build(ROOT / "files/functions", folder, [calendar], today)
    unpacked = folder / "unpacked"
    for archive in archives.values():
        with zipfile.ZipFile(archive) as file:  # what is vendored is installed here, too
            file.extractall(unpacked, [name for name in file.namelist() if name not in vendored_files()])
    names = {function: function.replace("-", "_") for function in archives}
    ours = ("machines", "market", "feed", *names.values())
    others = {name: sys.modules.pop(name) for name in ours if name in sys.modules}
    sys.path.insert(0, str(unpacked))
    try:
        yield {function: importlib.import_module(name) for function, name in names.items()}
    finally:
        sys.path.remove(str(unpacked))
        for name in ours:
            sys.modules.pop(name, None)
        sys.modules.update(others)


@contextmanager
def living(
    rendered: Any, modules: dict[str, ModuleType], calendar: TradingCalendar, begin: datetime, kind: type[World] = World
) -> Iterator[World]:
    """A world whose time is that of all clocks of ours."""
    world = kind(rendered, modules, calendar, begin)

    def wall_ns(_: SystemClock) -> int:
        return int(world.now.timestamp()) * NS_PER_SECOND

    with world.cloud.reached(), mock.patch.object(SystemClock, "wall_ns", wall_ns):
        yield world


def after(moment: datetime, length: timedelta) -> datetime:
    """So much later, also where the market's clock is set in between."""
    return (moment.astimezone(UTC) + length).astimezone(moment.tzinfo)


def ist(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone())
