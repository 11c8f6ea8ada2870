"""What makes a function an operator's task, and the options that several tasks have in common."""

import functools
import os
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.parser.argument import Argument
from invoke.tasks import Task, task

from harvester.base.endings import DEBUG, describe_ending, flush_output
from harvester.base.redaction import redact
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
APPLICATION = {"application": "of the user's application, not of the harvester"}
FORCE = {"force": "also while a session is open, when this would interrupt recording"}

POSITIVE = ("hosts", "workers")
"""Numbers of which 0 makes no sense either."""


class CheckedArgument(Argument):
    """An argument whose value must be of its kind; Invoke would show a traceback for a number that is none."""

    def set_value(self, value: Any, cast: bool = True) -> None:
        """Exit with 2 for an empty text, a text that is no whole number, and a number that is too small."""
        option = f"--{(self.name or '').strip('_').replace('_', '-')}"
        if value == "":
            raise Exit(f"inv: {option}: the value is empty. Leave the option out, or give it a value.", code=2)
        try:
            super().set_value(value, cast)
        except ValueError:
            raise Exit(f"inv: {option}: {value!r} is not a whole number. Write it in digits.", code=2) from None
        least = 1 if self.name in POSITIVE else 0
        if self.kind is int and cast and int(self.value) < least:
            raise Exit(f"inv: {option}: {value} is less than {least}. Give {least} or more.", code=2)


class OperatorTask(Task[Callable[..., None]]):
    """A task whose arguments are checked."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        return [checked(argument) for argument in super().get_arguments(ignore_unknown_help)]


def checked(argument: Argument) -> Argument:
    """The same argument, of which Invoke makes a plain one, refusing what is not of its kind."""
    made = CheckedArgument(names=argument.names)
    vars(made).update(vars(argument))
    return made


def operator(*, iterable: Sequence[str] = (), **helps: str) -> Callable[[Callable[..., None]], Any]:
    """A task that every error ends with one paragraph and its documented exit code; see docs/exit-codes.md."""

    def decorate(function: Callable[..., None]) -> Any:
        @functools.wraps(function)
        def run(context: Context, *args: Any, **options: Any) -> None:
            name = function.__name__.replace("_", "-")
            try:
                go_by_calendar(options.get("inventory"))
                function(context, *args, **options)
                flush_output()
            except Exit:
                raise
            except (Exception, KeyboardInterrupt) as error:
                if os.environ.get(DEBUG):
                    traceback.print_exc()
                code, message = describe_ending(error, for_traceback=f"{DEBUG}=1 ./inv {name} ... shows the traceback.")
                raise Exit(redact(f"{name}: {message}") if message else None, code=code) from None

        return task(help=helps, iterable=iterable, klass=OperatorTask)(run)

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
