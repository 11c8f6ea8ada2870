"""How a command ends: exit code and message of each kind of error; docs/exit-codes.md has the table that tests walk."""

import errno
import io
import os
import select
import sys
import traceback

from harvester.base.errors import HarvesterError

DEBUG = "HARVESTER_DEBUG"
FAILURE, INTERRUPTED = 1, 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CLOSED = (errno.EACCES, errno.EPERM)


def describe_ending(error: BaseException, *, for_traceback: str) -> tuple[int, str]:
    """The exit code, and one paragraph for a person; it is empty where nobody reads the output any more.

    `for_traceback` says how to see where an error came from that nobody expected.
    """
    if isinstance(error, OSError) and error.filename is None:
        error = _output_error() or error
    if isinstance(error, HarvesterError):
        return error.exit_code, str(error)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted. What was finished stays; run the command again to go on."
    if isinstance(error, OSError) and error.strerror:
        return FAILURE, f"{_place(error)}{error.strerror}. {_remedy(error, for_traceback)}"
    return FAILURE, f"unexpected {type(error).__name__}: {error}. {for_traceback}"


def report_ending(name: str, error: BaseException) -> int:
    """Say on standard error why the program `name` ends, with the traceback where HARVESTER_DEBUG is set; its code."""
    from harvester.base.redaction import redact  # a command that ends well needs none of it

    if os.environ.get(DEBUG):
        traceback.print_exc()
    code, message = describe_ending(error, for_traceback=f"{DEBUG}=1 in the environment shows the traceback.")
    if message:
        print(f"{name}: {redact(message)}", file=sys.stderr)
    return code


def flush_output() -> None:
    """Write out what was printed. Raises HarvesterError where that fails, without a word where its reader is gone."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _discard_output()
        raise HarvesterError(
            ""
            if isinstance(error, BrokenPipeError)
            else f"standard output: {error.strerror}, so not all of the answer was written. Send it elsewhere, or free"
            " some space there."
        ) from error


def _output_error() -> HarvesterError | None:
    """What is wrong with standard output, if anything is."""
    try:
        flush_output()
        waiting = select.poll()
        waiting.register(sys.stdout.fileno(), 0)
        is_gone = any(event & select.POLLERR for _, event in waiting.poll(0))
    except HarvesterError as error:
        return error
    except io.UnsupportedOperation:  # it is no file, so it has no reader that could go
        return None
    return HarvesterError("") if is_gone else None


def _discard_output() -> None:
    """Python flushes once more at its end, and would show the same error as a traceback."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _place(error: OSError) -> str:
    """Which files the system named; it names none for a write."""
    names = [str(name) for name in (error.filename, error.filename2) if name]
    return f"{' to '.join(names) or 'a file, or standard output'}: "


def _remedy(error: OSError, for_traceback: str) -> str:
    if error.errno in FULL:
        return "Free some disk space, then run the command again."
    if error.errno in CLOSED:
        return "Run the command as the user whose files these are, or correct their owner and mode."
    return f"Correct that and run the command again. {for_traceback}"
