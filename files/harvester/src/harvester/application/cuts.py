"""Where an application's hours cut a phase of the market, or miss it."""

from collections.abc import Callable, Collection, Iterator
from datetime import date, timedelta

from harvester.application.model import Application
from harvester.base.market import to_local
from harvester.calendar import PhaseName, TradingCalendar
from harvester.jobs.schedule import Hours


def find_cuts(
    application: Application,
    calendar: TradingCalendar,
    phases: Collection[PhaseName],
    hours: Callable[[date], Hours | None],
    days: tuple[date, int],
) -> Iterator[tuple[date, str]]:
    """The first day of each kind of cut, and a sentence of it, of so many days from a date on.

    `hours` are the market's of a day; a kind is a phase with its times.
    """
    told: set[str] = set()
    first, number = days
    for day in (first + timedelta(days=each) for each in range(number)):
        session = calendar.session(day) if calendar.knows(day) else None
        span = application.span(day, hours(day))
        for phase in session.phases if session else ():
            if phase.name not in phases or (span and span[0] <= phase.open_ns and phase.close_ns <= span[1]):
                continue
            ran = _between(span) if span else "at no time"
            what = "misses" if not span or phase.close_ns <= span[0] or phase.open_ns >= span[1] else "cuts"
            sentence = f"it runs {ran}, which {what} {phase.name} ({_between((phase.open_ns, phase.close_ns))})"
            if sentence not in told:
                told.add(sentence)
                yield day, sentence


def _between(span: Hours) -> str:
    return " to ".join(f"{to_local(edge):%H:%M}" for edge in span)
