"""The program behind `./inv`: Invoke's own, whose refusals end with the documented code and say what to type."""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import NoReturn

from invoke.exceptions import Exit, ParseError
from invoke.parser.argument import Argument
from invoke.parser.context import ParserContext
from invoke.program import Program

from harvester.base.endings import INTERRUPTED, describe_ending, flush_output
from harvester.base.errors import HarvesterError
from runbook.tasks.options import checked

WRONG_USE = 2
LIST_FORMATS = ("flat", "nested", "json")
UNKNOWN = re.compile(r"No idea what '(.*)' is!")
"""What Invoke says of a word that it cannot place; the word itself is in no attribute of the error."""
NO_VALUE = re.compile(r"Flag <\w+: ([\w-]+).* needed value")


class Runbook(Program):
    """Invoke's program for this checkout's tasks."""

    def core_args(self) -> list[Argument]:
        """Invoke's own options, such as --command-timeout, whose values are checked as those of the tasks are."""
        return [checked(argument) for argument in super().core_args()]

    def parse_core(self, argv: list[str] | None) -> None:
        with self._explaining():
            super().parse_core(argv)

    def parse_collection(self) -> None:
        with self._explaining():
            super().parse_collection()

    def parse_tasks(self) -> None:
        with self._explaining():
            super().parse_tasks()

    def parse_cleanup(self) -> None:
        with self._explaining():
            wanted = self.args["list-format"].value
            if wanted not in LIST_FORMATS:
                raise Exit(f"--list-format: {wanted!r} is none of {', '.join(LIST_FORMATS)}.")
            super().parse_cleanup()

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Exit with WRONG_USE and a sentence in place of Invoke's complaints."""
        try:
            yield
        except ParseError as error:
            raise Exit(self._explain(str(error), error.context), code=WRONG_USE) from None
        except Exit as refusal:
            if refusal.message:
                raise Exit(f"inv: {refusal.message.removeprefix('inv: ')}", code=WRONG_USE) from None
            try:
                flush_output()  # a list or a help; Python's own flush would show a traceback
            except HarvesterError as error:
                raise _unwritten(error) from None
            raise
        except KeyboardInterrupt:
            raise Exit("inv: interrupted. Nothing was begun.", code=INTERRUPTED) from None
        except OSError as error:
            raise _unwritten(error) from None

    def _explain(self, complaint: str, context: ParserContext | None) -> str:
        task = context.name if context and context.name else ""
        more = f"`./inv --help {task}` explains its options." if task else "`./inv --list` names all commands."
        if unknown := UNKNOWN.search(complaint):
            return f"{task or 'inv'}: {self._unknown(unknown[1], context if task else None)} {more}"
        if without := NO_VALUE.search(complaint):
            return f"{task or 'inv'}: --{without[1].strip('_').replace('_', '-')} needs a value. {more}"
        if context and context.missing_positional_args:
            missing = ", ".join(f"--{argument.name}" for argument in context.missing_positional_args)
            return f"{task}: {missing} is missing. {more}"
        return f"{task or 'inv'}: {complaint} {more}"

    def _unknown(self, word: str, context: ParserContext | None) -> str:
        """What kind of word it seems to be, and the one that was probably meant."""
        if word.startswith("-"):
            known: Sequence[str] = [*(context or self.initial_context).flags]
            what = f"there is no option {word}."
        else:
            known = [*self.parser.contexts]
            what = f"it takes no word {word!r}." if context else f"there is no command {word!r}."
        meant = get_close_matches(word, [name for name in known if name], n=1)
        return what + (f" Did you mean {meant[0]}?" if meant else "")


def _unwritten(error: Exception) -> Exit:
    """How Invoke's own lists and helps end where standard output does not take them."""
    code, message = describe_ending(error, for_traceback="Or send the answer elsewhere.")
    return Exit(f"inv: {message}" if message else None, code=code)


def main() -> NoReturn:
    """Run the command line of `./inv`."""
    Runbook(name="inv", binary="./inv").run()
    sys.exit(0)
