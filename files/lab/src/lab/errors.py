"""The errors of the lab: paragraphs that a person can act on, like the harvester's."""

from harvester.base.errors import HarvesterError


class LabError(HarvesterError):
    """What happened, where, and what to do next; ends a command with `exit_code` and no traceback."""


class LabUsageError(LabError):
    """The command line or the environment asks for something that cannot be."""

    exit_code = 2
