"""Judges whether people can be told: channels are configured, and take messages."""

from harvester.base.clock import NS_PER_SECOND
from harvester.health.facts import Facts, Reach
from harvester.health.view import Fault, View

SILENT_NS = 180 * NS_PER_SECOND
FIX_SILENT = "./inv start; then ./inv logs --unit harvester-alert says why they do not look"
NONE = "no alert channel is configured, so nobody is told anything"


def is_silent(reach: Reach, now_ns: int) -> bool:
    """Whether the alerts do not look any more, so that nobody is told anything."""
    return not -SILENT_NS < now_ns - reach.at_ns < SILENT_NS


def judge_channels(view: View) -> Fault | None:
    found = view.facts.reach
    if found is None:
        return None
    if is_silent(found, view.now_ns):
        age = (view.now_ns - found.at_ns) // NS_PER_SECOND
        return Fault(f"the alerts looked {age} s ago, and should every minute", FIX_SILENT)
    if found.problem:
        return Fault(found.problem, "./inv notify-test says what each channel answers")
    if not found.channels:
        return Fault(NONE, _how_to_store(view), "info")
    if found.refusals:
        said = "; ".join(f"{each.channel}: {each.problem}" for each in found.refusals)
        return Fault(f"{len(found.refusals)} of {found.channels} do not take messages: {said}", "./inv notify-test")
    return None


def describe_channels(facts: Facts) -> str:
    return f"{facts.reach.channels} take messages" if facts.reach else ""


def _how_to_store(view: View) -> str:
    kind, _, place = view.installed.alerts.channels.partition(":")
    if kind == "file":
        return f"Write apprise addresses, one a line, into {place} on the host; then ./inv notify-test"
    return "./inv secret-put --name channels; then ./inv notify-test"
