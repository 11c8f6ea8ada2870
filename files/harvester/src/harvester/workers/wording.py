"""The sentences that people read of a worker."""

from harvester.base.clock import NS_PER_SECOND

MINUTE_NS = 60 * NS_PER_SECOND

OVER = {
    "missed": "shows signs of life again",
    "unseen": "its mailbox can be seen again",
    "foreign": "its mailbox has its own status again",
    "clock": "its clock is right again",
    "zone": "its times have a zone now",
    "status": "its status can be read again",
    "duplicates": "each file is there once",
    "overseers": "no other overseer's signal waits any more",
    "budget": "there is room for restarts again, or it needs none",
    "falls": "its step did not fall three times in the last hour any more",
}


def remedy(name: str) -> str:
    """What a person does about a lost worker."""
    return (
        "Look at its machine. On the overseer harvester workers show says what is known; harvester workers pause"
        f" {name} waits."
    )


def span(ns: int) -> str:
    """Minutes, and hours from two of them on."""
    minutes = ns // MINUTE_NS
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def step(value: float | None) -> str:
    return "?" if value is None else f"{value:g}" if value != int(value) else str(int(value))


def missed(name: str, state: str, cause: str, count: int, done: str) -> str:
    return f"The worker {name} is {state}, miss {count}\n{cause}. {done}."


def spent(budget: int) -> str:
    if not budget:
        return "restarts are switched off"
    return f"it was restarted {budget} times in 24 hours, so it was not restarted again"


def budget(name: str, count: int) -> str:
    return f"The worker {name} needs a person\nIt was restarted {count} times in 24 hours and is still lost."


def unseen(name: str, why: str, ns: int) -> str:
    return (
        f"The worker {name} cannot be seen\nIts mailbox could not be looked at for {span(ns)}: {why}. It is not"
        " restarted for that."
    )


def foreign(name: str, other: str) -> str:
    return f"The mailbox of the worker {name} has the status of {other}\nGive each worker a folder of its own."


def ahead(name: str, ns: int) -> str:
    return (
        f"The clock of the worker {name} is {span(ns)} ahead\nIt is judged by when its status changes, until its times"
        " are plausible."
    )


def without_zone(name: str, zone: str) -> str:
    return f"The worker {name} writes times without a zone\nThey are read as {zone}. Have it write them with one."


def illegible(name: str, fault: str) -> str:
    return f"The status of the worker {name} cannot be read\n{fault[:1].upper()}{fault[1:]}."


def duplicates(name: str, names: tuple[str, ...]) -> str:
    return (
        f"The mailbox of the worker {name} has files of one name\n{', '.join(names)}: one of each is read, and it may"
        " be the older one. Remove the others there."
    )


def two_overseers(name: str, other: str) -> str:
    return (
        f"The worker {name} has two overseers\n{other} asked it to restart, too. While its signal waits, this one asks"
        " for none. Take the worker off one of them."
    )


def falls(name: str, count: int) -> str:
    return (
        f"The worker {name} began anew {count} times in an hour\nIts step fell each time: it dies and is started again."
    )


def over(cause: str, state: str) -> str:
    return f"It is {state}: {OVER[cause]}."


def reported(name: str, kind: str, message: str, done: str, diff: str) -> str:
    lines = [f"The worker {name} reported {kind}", message, f"{done[:1].upper()}{done[1:]}.", diff]
    return "\n".join(line for line in lines if line)


def unsignalled(name: str) -> str:
    return (
        f"The worker {name} could not be asked to restart\nIts mailbox took no signal while that was of use. The next"
        " miss asks again."
    )


def uncommanded(name: str, why: str) -> str:
    return f"The command that restarts the worker {name} failed\n{why}."
