"""What was said to people, kept between runs like a secret: in a private file, or in AWS beside the others."""

import json

from harvester.alerts.reminders import LoginMemory, ReminderMemory
from harvester.base.redaction import Secret
from harvester.tokens.stores import Store


def read_memory(store: Store) -> ReminderMemory:
    """What is remembered; nothing where the store has nothing, or nothing that can be read. Raises StoreError."""
    stored = store.read()
    if stored is None:
        return ReminderMemory.none()
    try:
        content = json.loads(stored.value.get_secret_value())
        said = {
            str(cause): (int(day), int(severity), int(at)) for cause, (day, severity, at) in content["said"].items()
        }
        ends_ns, told = content.get("login") or LoginMemory()
        return ReminderMemory(said, bool(content["open"]), LoginMemory(int(ends_ns), tuple(map(str, told))))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ReminderMemory.none()


def write_memory(store: Store, memory: ReminderMemory) -> None:
    """Remember. Raises StoreError."""
    store.write(Secret(json.dumps({"said": memory.said, "open": memory.open, "login": memory.login})))
