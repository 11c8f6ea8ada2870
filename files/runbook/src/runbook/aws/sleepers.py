"""Hosts that the schedules have stopped: what waking them costs, the start, and leaving them as they were."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.market import zone
from harvester.calendar import TradingCalendar
from runbook.aws.cost import hourly
from runbook.aws.environment import Environment, reaching
from runbook.aws.trading_days import LAG, WATCHED, calendars_of, trading_days
from runbook.console.terminal import waiting
from runbook.fleet.inventory import Host
from runbook.fleet.ssh import SshConnection
from runbook.fleet.status import HostStatus

Say = Callable[[str], None]
STARTING_SECONDS, ANSWERING_SECONDS, ASK_AGAIN_SECONDS = 300.0, 180.0, 3.0
ASLEEP = ("stopping", "stopped")


@contextmanager
def left_asleep(here: Environment) -> Iterator[list[str]]:
    """Inside, hosts may be started; those that were stopped before are stopped again afterwards. Gives their names.

    Raises ConfigError with AWS's reason.
    """
    with reaching(here):
        asleep = _instances(here, ASLEEP)
    try:
        yield list(asleep)
    finally:
        if asleep:
            with reaching(here):
                here.account.client("ec2").stop_instances(InstanceIds=list(asleep.values()))


def judge(answer: HostStatus, host: Host, wall_ns: int | None = None) -> HostStatus:
    """The same, with an error where the host sleeps in a session of what it records."""
    if not answer.asleep:
        return answer
    now = time.time_ns() if wall_ns is None else wall_ns
    calendars = calendars_of(TradingCalendar.load(), host.settings.get("symbols") or ())
    if any(calendar.is_open(now, WATCHED) for calendar in calendars):
        return replace(answer, error="sleeps while its session is open, and records nothing: ./inv wake")
    return answer


def explain_cost(here: Environment, names: Sequence[str], now: datetime | None = None) -> str:
    """Until when hosts run that are started now, and what that costs them together."""
    began = now or datetime.now(zone())
    ends = _next_evening(here, began)
    hours = (ends - began) / timedelta(hours=1)
    if not here.variables["aws_watch_save_hours"]:
        return f"aws_watch_save_hours is false, so {', '.join(names)} will run until somebody stops them."
    try:
        price = hourly(here.variables, here.names.region)
    except ConfigError as error:
        costs = str(error)
    else:
        costs = f"about {price * hours * len(names):.2f} US dollars ({price:.4f} an hour and host)"
    return (
        f"{', '.join(names)} will run until the evening of the next trading day ({ends:%a %d %b %H:%M %Z}, once its "
        f"data is in the bucket): {hours:.0f} h, {costs}."
    )


def _next_evening(here: Environment, now: datetime) -> datetime:
    """When the schedules next stop hosts. ConfigError when the calendar knows no trading day ahead."""
    calendars = calendars_of(TradingCalendar.load(), here.variables["aws_host_symbols"])
    evenings = (ends + LAG for _, _, ends in trading_days(calendars, now.date()))
    found = next((evening for evening in evenings if evening > now), None)
    if found is None:
        raise ConfigError("The calendar in force has no trading day within half a year, so no evening stops hosts.")
    return found


def start(here: Environment, names: Sequence[str], say: Say, seconds: float = STARTING_SECONDS) -> None:
    """Start these hosts, and wait until AWS says that they run. HarvesterError when one does not in time."""
    with reaching(here):
        ec2, deadline = here.account.client("ec2"), time.monotonic() + seconds
        while stopping := [name for name in _instances(here, ["stopping"]) if name in names]:
            _pause(f"{', '.join(stopping)} has yet to stop, which AWS wants before a start", deadline)
        instances = _instances(here, ASLEEP)
        for name in names:  # one call a host: the failure of one is not that of all
            if name in instances:
                ec2.start_instances(InstanceIds=[instances[name]])
        while missing := set(names) - set(_instances(here, ["running"])):
            _pause(f"AWS starts {', '.join(sorted(missing))}", deadline)
    say(f"started: {', '.join(names)}")


def wait_for_answers(hosts: Sequence[Host], say: Say, seconds: float = ANSWERING_SECONDS) -> None:
    """Wait until these hosts answer over SSH. HarvesterError with the reason when one does not in time."""
    deadline = time.monotonic() + seconds
    for host in hosts:
        while not _answers(host, deadline):
            _pause(f"{host.name} boots, and does not answer yet", deadline)
        say(f"{host.name} answers")


def _answers(host: Host, deadline: float) -> bool:
    try:
        SshConnection(host).run(["true"], timeout_seconds=30)
    except HarvesterError:
        if time.monotonic() > deadline:
            raise
        return False
    return True


def _pause(why: str, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise HarvesterError(
            f"Too long: {why}. Look at the instance in the console, then ./inv wake again: it goes on."
        )
    with waiting(why):
        time.sleep(ASK_AGAIN_SECONDS)


def _instances(here: Environment, states: Sequence[str]) -> dict[str, str]:
    """Instance by name of each of our hosts that is in one of these states."""
    wanted = {**{f"tag:{key}": [value] for key, value in here.names.tags.items()}, "instance-state-name": [*states]}
    filters: list[dict[str, Any]] = [{"Name": name, "Values": values} for name, values in wanted.items()]
    pages = here.account.client("ec2").get_paginator("describe_instances").paginate(Filters=filters)
    found = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
    return {_name(one["Tags"]): str(one["InstanceId"]) for one in found}


def _name(tags: list[dict[str, str]]) -> str:
    return next((tag["Value"] for tag in tags if tag["Key"] == "Name"), "")
