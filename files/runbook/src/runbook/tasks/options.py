"""What makes a function an operator's task, and the options that several tasks have in common."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from harvester.base.errors import HarvesterError
from runbook.tasks.here import go_by_calendar

WHERE = {
    "inventory": "inventory to use instead of the one ansible.cfg names, such as inventory/aws",
    "limit": "hosts to act on, as Ansible writes patterns (default: all of group harvesters)",
}
RANGE = {
    "since": "first day, YYYY-MM-DD (default: the oldest there is)",
    "until": "last day, YYYY-MM-DD (default: the newest there is)",
    "symbols": "symbols by commas, such as NSE:SBIN-EQ,NSE:INFY-EQ (default: all)",
}
OUTPUT = {"output": "directory of pulled data (default: pulled)"}
FORCE = {"force": "also while a session is open, when this would interrupt recording"}


def operator(*, iterable: Sequence[str] = (), **helps: str) -> Callable[[Callable[..., None]], Any]:
    """A task whose HarvesterError ends it with one paragraph and its documented exit code."""

    def decorate(function: Callable[..., None]) -> Any:
        @functools.wraps(function)
        def run(context: Context, *args: Any, **options: Any) -> None:
            try:
                go_by_calendar(options.get("inventory"))
                function(context, *args, **options)
            except HarvesterError as error:
                raise Exit(f"{function.__name__.replace('_', '-')}: {error}", code=error.exit_code) from None

        return task(help=helps, iterable=iterable)(run)

    return decorate


def end(code: int) -> None:
    """Exit with the code of what ran, unless all was well."""
    if code:
        raise Exit(code=code)


def agree(question: str, refusal: str, *, yes: bool) -> None:
    """Go on when `yes` was given or a person says so; else Exit with the refusal and code 1."""
    from runbook.console.terminal import confirm

    if not yes and not confirm(question):
        raise Exit(f"{refusal} Answer y, or give --yes where there is no terminal.", code=1)
