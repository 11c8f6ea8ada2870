"""How a connection ends: the cause of the gap that begins there."""

from harvester.ledger.polls import Cause


class Ended(Exception):
    """A connection has ended, or could not be made. The detail is one line of printable text without secrets."""

    def __init__(self, cause: Cause, detail: str, *, about_token: bool = False) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause: Cause = cause
        self.detail = detail
        self.about_token = about_token
        """Whether the server refused who we are, so that the token should be proven."""
