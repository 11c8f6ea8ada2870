"""Judges what the ledger of dues found missing: what came in vain people heard of, so this is what never began."""

from harvester.base.market import to_local
from harvester.health.view import Fault, View


def judge_overdue(view: View) -> Fault | None:
    late = view.facts.overdue or []
    if not late:
        return None
    said = "; ".join(
        f"{each.kind} {each.name}, due {to_local(each.due_ns):%d %b %H:%M}: {each.cause}" for each in late[:5]
    )
    more = f" and {len(late) - 5} more" if len(late) > 5 else ""
    return Fault(f"{said}{more}", late[0].remedy)
