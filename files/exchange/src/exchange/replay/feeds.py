"""The sockets of a recorded day, and the symbols that take part in it."""

from collections.abc import Callable, Coroutine, Mapping

from exchange.market.instruments import Instrument
from exchange.replay.player import Player
from exchange.sockets.topics import INDEX_SUFFIX, SEGMENTS, TOKEN_AT, index_name

DIGITS = {segment: digits for digits, segment in SEGMENTS.items()}
NO_EXPIRY = "000000"
FIRST_INDEX = 26_900


class ReplayFeeds:
    """Both sockets, played by one clock."""

    def __init__(self, player: Player) -> None:
        self.hsm = player.hsm
        self.tbt = player.tbt
        self._player = player

    def tasks(self) -> list[Coroutine[object, object, None]]:
        return [self._player.run()]

    def forget(self) -> None:
        """The calendar says nothing about a day that is over."""


def recorded_instruments(player: Player, known: Mapping[str, Instrument]) -> dict[str, Instrument]:
    """The recorded symbols with the exchange tokens of that day; the rest is from the symbol master."""
    tokens = {ticker: topic for topic, ticker in player.recording.topics.items() if not topic.startswith("if")}
    found = {}
    for number, ticker in enumerate(player.recording.symbols):
        item = known.get(ticker)
        topic = tokens.get(ticker)
        if topic is not None:
            _, segment, token = topic.split("|")
            if item is None or item.token[TOKEN_AT:] != token:
                item = _made_up(ticker, DIGITS.get(segment, "1010") + NO_EXPIRY + token)
        found[ticker] = item or _made_up(ticker, f"1010{NO_EXPIRY}{FIRST_INDEX + number}")
    return found


def _made_up(ticker: str, fytoken: str) -> Instrument:
    """A row for a symbol that the symbol master does not have; lot and tick are the smallest."""
    kind = "10" if ticker.endswith(INDEX_SUFFIX) else "0"
    short, token = ticker.partition(":")[2], fytoken[TOKEN_AT:]
    exchange, segment = fytoken[:2], fytoken[2:4]
    row = (
        fytoken, short, kind, "1", "0.05", "", "0915-1530|1815-1915:", "", "", ticker, exchange, segment, token, short,
        token, "-1.0", "XX", fytoken, "None", "0", "0",
    )  # fmt: skip
    return Instrument(ticker, fytoken, kind, 1, 5, "", int(exchange), int(segment), row)


def recorded_index_names(player: Player) -> Callable[[str], str]:
    """Names by which the recorded data socket knew its indices."""
    names = {ticker: topic.split("|")[2] for topic, ticker in player.recording.topics.items() if topic[:2] == "if"}
    return lambda ticker: names.get(ticker) or index_name(ticker)
