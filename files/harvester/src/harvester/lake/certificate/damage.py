"""Damage in the certificate: what each thing cost, and the one way in which all commands and pages say it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.lake.day.damage import Damage
from harvester.lake.day.intervals import total, union
from harvester.lake.gaps.losses import DAMAGED
from harvester.lake.gaps.polls import GapRow

Json = dict[str, Any]
MOST_DAMAGE = 200
"""Entries that a certificate has; what is beyond them is counted."""
MOST_TOLD = 20
"""Sentences of one day."""
MOST_SYMBOLS = 3
"""Symbols that a sentence names."""

_WHAT = {
    "corrupt": "{bytes:,} bytes in segment {where} are no record: they changed on the disk, or while they were copied",
    "cut_short": "segment {where} ends without its seal: it was cut short, or its end changed",
    "missing": "records that the recorder numbered are in no segment here: {where}",
    "empty": "segment {where} has no record",
    "torn_tail": "{bytes:,} bytes at the end of segment {where} were no whole record: its run died while writing",
    "malformed": "{records:,} control records of segment {where} cannot be interpreted ({detail})",
    "repeated": "{records:,} records of segment {where} have numbers that came before, as in a copy; each is read once",
    "quarantined": "{where} of {bytes:,} bytes is in the journal's quarantine and part of no segment",
    "undecoded": "{records:,} parts of messages of {where} are recorded and not decoded ({detail})",
}
_BESIDE = (
    "Where a whole copy of the segment exists, put it beside it under its name with the first number lowered by 1, and"
    " run `harvester close --date {date}`; the host's kernel log (`journalctl -k`) says whether disk or memory fail"
)
_ADVICE = {
    "corrupt": _BESIDE,
    "cut_short": _BESIDE,
    "missing": "Where the segment exists, put it into journal/{date}/ and run `harvester close --date {date}`",
    "empty": _BESIDE,
    "torn_tail": "Nothing to do: all that had been acknowledged is in the lake",
    "malformed": "Report it as a defect, with the segment from raw/; a release that knows them reads them by"
    " `harvester close --date {date} --rebuild`",
    "repeated": "Nothing to do",
    "quarantined": "Nothing of it is lost that had been acknowledged; delete it there when you know what it is",
    "undecoded": "Where their connections began the day before, bring its segments back, into the journal or raw/ of"
    " the lake; else a release that knows them makes rows of them. Then run `harvester close --date {date} --rebuild`",
}


def certify_damage(damage: Sequence[Damage], gaps: Iterable[GapRow], explanation: str) -> list[Json]:
    """Entries for the certificate, each with the gaps that it made; what a person said of what is not decoded."""
    made: dict[str, list[GapRow]] = {}
    for gap in gaps:
        if gap.cause == DAMAGED:
            made.setdefault(gap.detail, []).append(gap)
    entries = []
    for each in damage[:MOST_DAMAGE]:
        mine = made.get(each.cause, []) if each.loses else []
        entry: Json = {
            "kind": each.kind,
            "where": each.where,
            "records": each.records,
            "bytes": each.bytes,
            "from_ns": each.from_ns,
            "to_ns": each.to_ns,
            "symbols": sorted({gap.symbol for gap in mine}),
            "slots": sum(gap.slots or 0 for gap in mine),
            "lost_ns": total(union((gap.from_ns, gap.to_ns) for gap in mine if gap.slots is None)),
            "loses": each.loses,
            "detail": each.detail,
            "kept": each.kept,
        }
        entries.append(entry | ({"explanation": explanation} if each.kind == "undecoded" else {}))
    return entries


def tell_damage(certificate: Mapping[str, Any]) -> list[str]:
    """One sentence or more for each thing that is wrong with a day's journal; KeyError for what is no certificate."""
    if "damage" not in certificate:
        return _tell_older(certificate)
    entries, date = certificate["damage"], str(certificate["date"])
    told = [say_damage(entry, date) for entry in entries[:MOST_TOLD]]
    more = len(entries) - len(told) + int(certificate.get("more_damage", 0))
    return [*told, *([f"{more:,} more; the day's certificate lists the first {len(entries)}."] if more else [])]


def say_damage(entry: Mapping[str, Any], date: str) -> str:
    """What happened, what it cost, and what to do about it."""
    what = _WHAT.get(entry["kind"], "{kind}: {where}").format(**{**entry, "records": entry["records"] or 0})
    kept = f" They are kept as quarantine/{entry['kept']}." if entry["kept"] and entry["kind"] != "quarantined" else ""
    if entry.get("explanation"):
        todo = f"Explained: {entry['explanation'].rstrip('.')}"
    else:
        todo = _ADVICE.get(entry["kind"], "docs/formats.md says more").format(date=date)
    return f"{what[0].upper()}{what[1:]}.{kept} {_cost(entry)}{todo}."


def _cost(entry: Mapping[str, Any]) -> str:
    when = _when(entry["from_ns"], entry["to_ns"])
    if not entry["loses"]:
        return f"Of {when.strip()}. " if when else ""
    lost = "an unknown number of records" if entry["records"] is None else _count(entry["records"], "record")
    costs = [_count(entry["slots"], "poll")] if entry["slots"] else []
    costs += [f"{entry['lost_ns'] / NS_PER_SECOND:,.3f} s of the sockets"] if entry["lost_ns"] else []
    names = entry["symbols"]
    shown = ", ".join(names[:MOST_SYMBOLS]) + (
        f" and {len(names) - MOST_SYMBOLS} more" if len(names) > MOST_SYMBOLS else ""
    )
    price = f", which cost {' and '.join(costs)} of {shown}" if costs else ", which cost nothing that was due"
    return f"Lost: {lost}{when and f' of{when}'}{price}. "


def _when(from_ns: int | None, to_ns: int | None) -> str:
    if from_ns is None and to_ns is None:
        return ""
    if from_ns is None:
        return f" before {_clock(to_ns)}"
    return f" {_clock(from_ns)} to {_clock(to_ns)}" if to_ns else f" {_clock(from_ns)} and later"


def _clock(wall_ns: int | None) -> str:
    return f"{to_local(wall_ns or 0):%H:%M:%S}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _tell_older(certificate: Mapping[str, Any]) -> list[str]:
    """What a certificate says that was made before damage was named."""
    journal = certificate.get("journal") or {}
    figures = {
        "bytes in it that are no record": journal.get("damaged_bytes"),
        "bytes cut off its segments": journal.get("torn_bytes"),
        "control records that cannot be interpreted": journal.get("malformed_control_records"),
        "records without a symbol": journal.get("unattributed_records"),
    }
    found = ", ".join(f"{number:,} {what}" for what, number in figures.items() if number)
    if not found:
        return []
    return [
        f"The journal of this day has {found}; the release that closed it did not say where. On the host, where the"
        f" segments still are, `harvester close --date {certificate.get('date')} --rebuild` names them."
    ]
