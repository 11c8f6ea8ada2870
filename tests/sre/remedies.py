"""Commands in what the product says: read out of the sentence, and run as they stand there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

COMMAND = re.compile(r"(?:\./inv|sudo|ansible-playbook|chronyc) [^;`]*")
SENTENCE_GOES_ON = re.compile(r"[.,:]?(?:$| (?:says|shows|repairs|brings|does)\b.*)|[.,] .*| \(.*")
IF_FAILED = re.compile(r"where (?:that|it) fails:")


@dataclass(frozen=True)
class Step:
    """One command. `on_host`: it is typed there; `if_failed`: only where the one before it failed."""

    command: str
    on_host: bool = False
    if_failed: bool = False


def read_steps(fix: str) -> Iterator[Step]:
    """The commands that a remedy names, in its order: ./inv and playbooks here, the rest on the host."""
    for part in re.split(r"; *|`|, then ", fix):
        for found in COMMAND.finditer(part):
            command = SENTENCE_GOES_ON.sub("", found[0], count=1).strip()
            yield Step(command, not command.startswith(("./inv", "ansible")), bool(IF_FAILED.search(part)))
