"""The broker's limits belong to the account: what a fleet asks in all is checked, and each host gets its share."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harvester.base.validation import Refused, validate
from harvester.config.feeds import DEPTH_CONNECTIONS, DEPTH_SYMBOLS_A_CONNECTION
from harvester.config.limits import Need, RequestLimits, fleet_interval, start_offsets
from harvester.config.rules import IndexList, read_resolved, split_rules
from harvester.config.settings import Settings
from harvester.config.size import Size, request_need, size_of
from runbook.fleet.indices import with_lists

Fleet = Mapping[str, Mapping[str, Any]]
"""Application settings by host, as the inventory states them: broker.requests_per_* are the account's limits."""


class _Member(NamedTuple):
    """A host of an account, with its symbols that are polled, and connections of the 50-level socket."""

    name: str
    settings: Settings
    size: Size
    polled: int
    need: Need
    connections: int


def account_refusal(fleet: Fleet, lists: Sequence[IndexList] = ()) -> str:
    """Why the fleet asks more of an account than the broker allows it, in a sentence; empty: it does not.

    Rules count as what they stood for when they were resolved last, where this machine has that, else as the most that
    they can stand for; `lists` are those of the members of indices.
    """
    if len(fleet) < 2:
        return ""  # its own check knows
    try:
        refusals = [refusal for members in _accounts(fleet, lists) if (refusal := _refuse(members))]
    except Refused as error:
        return f"What the fleet asks of the broker cannot be said: {error}"
    return " ".join(refusals)


def account_shares(host: str, fleet: Fleet, lists: Sequence[IndexList] = ()) -> dict[str, Any]:
    """Settings with the host's share of its account's limits.

    None for a host that has the account to itself, and none of a fleet that `account_refusal` refuses.
    """
    if len(fleet) < 2 or account_refusal(fleet, lists):
        return {}
    for members in _accounts(fleet, lists):
        names = [member.name for member in members]
        if host in names and len(members) > 1:
            share = _share(members)[names.index(host)]
            return {"broker": {f"requests_{key}": value for key, value in share._asdict().items()}}
    return {}


def _accounts(fleet: Fleet, lists: Sequence[IndexList]) -> list[list[_Member]]:
    """The hosts of each account. Raises Refused for settings that the application refuses, naming the host."""
    accounts: dict[str, list[_Member]] = {}
    for name, given in fleet.items():
        try:
            settings = with_lists(validate(Settings, split_rules(given)), lists)
        except Refused as error:
            raise Refused(f"the settings of {name} are refused:\n{error}") from None
        size = size_of(settings, read_resolved(settings.master_dir))
        polled = size.symbols if "fyers-rest" in settings.feeds else 0
        need = request_need(settings, size)
        depth = len(settings.tbt.symbols) if "fyers-tbt" in settings.feeds else 0
        connections = math.ceil(depth / DEPTH_SYMBOLS_A_CONNECTION)
        accounts.setdefault(settings.broker.app_id, []).append(_Member(name, settings, size, polled, need, connections))
    return list(accounts.values())


def _limits(members: Sequence[_Member]) -> RequestLimits:
    """The account's; where hosts state others than each other, the lowest."""
    return RequestLimits(*(min(values) for values in zip(*(each.settings.limits for each in members), strict=True)))


def _refuse(members: Sequence[_Member]) -> str:
    if len(members) < 2:
        return ""
    limits, (minute, day) = _limits(members), (sum(each) for each in zip(*(one.need for one in members), strict=True))
    broken = ""
    sockets = sum(each.connections for each in members)
    if sockets > DEPTH_CONNECTIONS:
        return (
            f"{_sharing(members)} need {sockets} connections of the 50-level socket, and the broker allows"
            f" {DEPTH_CONNECTIONS} of the account, with {DEPTH_SYMBOLS_A_CONNECTION} symbols each"
            f" ({', '.join(f'{each.name} {each.connections}' for each in members)}). Shorten tbt.symbols, or take"
            " fyers-tbt out of feeds."
        )
    if minute > limits.per_minute:
        broken = f"up to {minute} requests in a minute, and the broker allows {limits.per_minute}"
    elif day > limits.per_day:
        broken = f"{day} requests on the longest trading day, and the broker allows {limits.per_day}"
    elif len(members) > limits.per_second:
        broken = f"one request in a second each, and the broker allows {limits.per_second} requests in a second"
    else:
        return _refuse_host(members)
    polled = [(each.polled, each.size.day_ns) for each in members]
    possible = fleet_interval(polled, limits)
    advice = f"the shortest possible interval is {possible:g} s" if possible else "no interval makes that possible"
    parts = ", ".join(f"{each.name} {each.need.per_minute}" for each in members)
    return (
        f"{_sharing(members)} need {broken} of the account (a minute: {parts}); {advice}. Poll less often, record fewer"
        f" symbols, or raise broker.requests_per_* if your plan allows more.{_remarks(members)}"
    )


def _sharing(members: Sequence[_Member]) -> str:
    names = ", ".join(each.name for each in members)
    return f"{names} share the account of {members[0].settings.broker.app_id} at the broker and"


def _remarks(members: Sequence[_Member]) -> str:
    """How rules were counted, each sentence once."""
    return "".join(dict.fromkeys(each.size.remark for each in members if each.polled))


def _refuse_host(members: Sequence[_Member]) -> str:
    for member, share in zip(members, _share(members), strict=True):
        try:
            start_offsets(member.polled, member.settings.poll.interval_ns, share, member.size.day_ns)
        except ValueError as error:
            shared = f"{member.name}, with its share of the account's limits among {len(members)} hosts"
            return f"{shared}: {error}.{_remarks([member])}"
    return ""


def _share(members: Sequence[_Member]) -> list[RequestLimits]:
    """What each host needs, and an even part of what is left over: for proofs of the token and look-ups."""
    limits, count = _limits(members), len(members)
    minute, day = (sum(each) for each in zip(*(one.need for one in members), strict=True))
    seconds = [1] * count
    for _ in range(limits.per_second - count):
        at = max(range(count), key=lambda number: members[number].polled / seconds[number])
        seconds[at] += 1
    return [
        RequestLimits(
            second,
            max(1, member.need.per_minute + (limits.per_minute - minute) // count),
            max(1, member.need.per_day + (limits.per_day - day) // count),
        )
        for member, second in zip(members, seconds, strict=True)
    ]
