"""What can be wrong with a question to a lake, or with the lake: a class each, whose message says what to do."""

from harvester.base.errors import HarvesterError


class ReaderError(HarvesterError):
    """Any of the errors below."""


class QuestionError(ReaderError):
    """An argument cannot be read, such as a date or `every`."""

    exit_code = 2


class NotALakeError(ReaderError):
    """The path holds no closed day of a lake."""

    exit_code = 2


class UnreachableLakeError(ReaderError):
    """The place may not, or cannot, be listed: nobody knows what is in it."""


class ToldError(ReaderError):
    """`what` says what is wrong; the remedy after it is that of a lake that was pulled and opened in Python."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what} {remedy}".rstrip())
        self.what = what


class IncompleteLakeError(ToldError):
    """A manifest lists a file that is not here: half a pull."""


class MixedLakesError(ReaderError):
    """Files of two lakes lie in one folder."""


class NewerSchemaError(ReaderError):
    """A file has a schema that this release does not read."""


class DamagedFileError(ToldError):
    """A file is not what its name says."""


class UnknownSymbolError(ToldError):
    """The lake, or the days asked for, have no such symbol."""

    exit_code = 2


class AmbiguousNameError(ReaderError):
    """A name fits several symbols, or a symbol was recorded by several hosts."""

    exit_code = 2


class OutsideError(ReaderError):
    """The lake has no day, or the day no session, of the time asked for."""

    exit_code = 2


class NotRecordedError(ReaderError):
    """The day has no table of that kind."""

    exit_code = 2


class FinerThanDataError(ReaderError):
    """A grid or bar is finer than what was recorded."""

    exit_code = 2


class TooLargeError(ReaderError):
    """The answer does not fit into the memory that is free."""

    exit_code = 2


class MissingPackageError(ReaderError):
    """A package that the answer needs is not installed."""

    exit_code = 2

    def __init__(self, package: str, what: str) -> None:
        super().__init__(
            f"{what} needs the package {package}, which is not installed: pip install 'harvester[reader]'."
        )
