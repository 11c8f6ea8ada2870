"""What the connections need to know of the recorder's turn: is the market trading, and a word back about the token."""

from harvester.base.clock import Clock


class SessionWatch:
    """Set by the recorder's loop, read by the connections."""

    def __init__(self, clock: Clock) -> None:
        self.trading_since_ns: int | None = None
        """Monotonic ns since when continuous trading is on, so that data must be flowing; None: it is not."""
        self._token_doubted = False
        self._clock = clock

    def follow(self, *, trading: bool) -> None:
        """Say whether continuous trading is on now, inside a recorded window."""
        if not trading:
            self.trading_since_ns = None
        elif self.trading_since_ns is None:
            self.trading_since_ns = self._clock.mono_ns()

    def doubt_token(self) -> None:
        """A socket refused the token: have it proven by a call that says more."""
        self._token_doubted = True

    def take_doubt(self) -> bool:
        """Whether the token was doubted since the last call."""
        doubted, self._token_doubted = self._token_doubted, False
        return doubted
