"""What would be lost if hosts and bucket went away now: everything that is not here, byte for byte."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from harvester.base.errors import HarvesterError
from harvester.base.market import to_local, zone
from harvester.calendar import TradingCalendar
from runbook.pull.manifests import DayManifest, parse
from runbook.pull.receipt import holds
from runbook.pull.store import LocalStore
from runbook.pull.transport import Transport


@dataclass(frozen=True)
class Risk:
    """Data that is in one place alone: where, and what."""

    where: str
    what: str


def find_risks(
    sources: Iterable[Callable[[], Transport]], store: LocalStore, *, recording: bool, now: datetime | None = None
) -> list[Risk]:
    """Days of the sources that are not here whole, and sources that cannot be asked.

    With `recording` the sources are hosts: a session of today without a manifest is data in the journal alone.
    """
    risks = []
    for connect in sources:
        transport = connect()
        try:
            days = [parse(content, path) for path, content in sorted(transport.read_manifests().items())]
            risks += [Risk(transport.host, text) for day in days if (text := _missing(day, store))]
            if recording and _session_has_begun(now or datetime.now(zone()), {str(day.date) for day in days}):
                risks.append(Risk(transport.host, "today's session, which is in the journal alone until it is closed"))
        except HarvesterError as error:
            risks.append(Risk(transport.host, f"cannot be asked what it has: {error}"))
        finally:
            transport.close()
    return risks


def _missing(day: DayManifest, store: LocalStore) -> str:
    """What of a day is not here, in a few words; empty when all of it is, with the right hashes."""
    lacking = [file for file in day.files if not holds(store.lake / file.path, file)]
    if not lacking and (store.lake / day.path).exists():
        return ""
    bytes_ = sum(file.bytes for file in lacking)
    return f"{day.date} of {day.host}: {len(lacking)} of {len(day.files)} files, {bytes_} bytes, are not here"


def _session_has_begun(now: datetime, closed: set[str]) -> bool:
    session = TradingCalendar.load().session(now.astimezone(zone()).date())
    if session is None or not session.phases or session.date.isoformat() in closed:
        return False
    return to_local(session.phases[0].open_ns) <= now
