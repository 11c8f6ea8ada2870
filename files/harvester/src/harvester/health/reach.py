"""Judges whether people can be told: channels are configured, and take messages."""

from harvester.health.facts import Facts
from harvester.health.view import Fault, View

NONE = "no alert channel is configured, so nobody is told anything"


def judge_channels(view: View) -> Fault | None:
    found = view.facts.reach
    if found is None:
        return None
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
