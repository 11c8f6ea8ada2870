"""Jobs that have units of their own in the role harvester: when each must have done its work, by its records."""

from typing import NamedTuple

from harvester.jobs.schedule import Schedule, read_schedule

HOUR = 3600


class BuiltIn(NamedTuple):
    """`when` it is due, not when its timer tries: that is each hour, and what is done already costs nothing.

    `only_with_bucket`: where there is none, it is not due.
    """

    name: str
    when: str
    within_seconds: int
    trading_days: bool
    unit: str
    only_with_bucket: bool = False

    @property
    def schedule(self) -> Schedule:
        return read_schedule(self.when)


ON_DEMAND = ("backfill",)
"""With units and records as well, and due at no time."""
BUILT_IN = (
    BuiltIn("close", "close", 3 * HOUR, True, "harvester-close"),
    BuiltIn("prune", "close", 3 * HOUR, True, "harvester-prune"),
    BuiltIn("upload", "close", 5 * HOUR, True, "harvester-upload", only_with_bucket=True),
    # A host that slept on Sunday checks in an evening of the week.
    BuiltIn("verify", "Sun 11:00", 6 * 24 * HOUR, False, "harvester-verify"),
)
