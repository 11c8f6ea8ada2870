"""The errors a person sees: one paragraph saying what happened, to which file, key or host, and what to do next."""


class HarvesterError(Exception):
    """Something failed in a way that its message explains; the command ends with `exit_code` and no traceback."""

    exit_code = 1


class ConfigError(HarvesterError):
    """The configuration or the command line is wrong; nothing was started or changed."""

    exit_code = 2


class UnhealthyError(HarvesterError):
    """The service answers, but it is not doing what it should."""

    exit_code = 3
