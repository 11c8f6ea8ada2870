"""compare-candles: the last bars of a day as they are in the lake, beside a fresh answer of the broker."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.recorder.broker import FakeBroker, answer, make_certificate
from tests.us.test_us_lake import HALF_DAY, OTHER, QQQ, Place
from tests.us.test_us_settings import APP, config

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import entered
from harvester.base.redaction import Secret
from harvester.brokers.schwab.history import PATH
from harvester.cli import run
from harvester.tokens.handover import Token, write_handover

BARS = 210
SECRET = "S3cret-of-the-broker"


class Case:
    """A recorded half day, and a broker that says what a test has it say."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.certificate = folder, make_certificate(folder)
        monkeypatch.setenv("SSL_CERT_FILE", str(self.certificate[0]))
        self.place = Place(folder, HALF_DAY)
        self.bars = [self.place.candle(number) for number in range(BARS)]
        self.now = {QQQ: list(self.bars), OTHER: list(self.bars)}
        for symbol in (QQQ, OTHER):
            self.place.answer(BARS + 1.1, symbol, self.bars)
        self.place.close()
        self.asked: list[dict[str, str]] = []
        self.respond: Callable[[web.Request], Any] = self.serve
        self.hand_over(time.time_ns() + 3600 * NS_PER_SECOND)

    def hand_over(self, expires_ns: int) -> None:
        write_handover(self.folder / "token", Token(Secret(SECRET), "1", expires_ns))

    async def serve(self, request: web.Request) -> web.Response:
        self.asked.append({**request.query, "authorization": request.headers["authorization"]})
        symbol = request.query["symbol"]
        return web.json_response({"symbol": symbol, "empty": False, "candles": self.now[symbol]})

    def run(self, *words: str, day: date = HALF_DAY) -> int:
        async def play() -> int:
            broker = FakeBroker(self.certificate)
            broker.extra_routes[PATH] = self.respond
            async with broker:
                path = self.folder / "config.json"
                place = {"kind": "schwab", "app_id": APP, "api_url": broker.url}
                content = config(
                    data_dir=str(self.folder), broker=place, token={"handover": str(self.folder / "token")}
                )
                path.write_text(json.dumps(content), "utf-8")
                command = ["compare-candles", "--date", str(day), "--config", str(path), *words]
                return await asyncio.to_thread(run, command)

        return asyncio.run(play())


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    with entered("us"):
        yield Case(tmp_path, monkeypatch)


def test_bars_that_the_broker_still_says_are_the_same(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    code = case.run()

    assert (code, capsys.readouterr().out) == (
        0,
        f"{QQQ}: 20 of 20 bars are the same\n{OTHER}: 20 of 20 bars are the same\n",
    )
    assert [each["symbol"] for each in case.asked] == [QQQ, OTHER], "one request a symbol"
    assert {each["authorization"] for each in case.asked} == {f"Bearer {SECRET}"}
    assert {each["needExtendedHoursData"] for each in case.asked} == {"false"}


@pytest.mark.parametrize(
    ("at", "theirs", "says"),
    [
        (-1, {"close": 601.0}, "QQQ 12:59:00: 600 600.5 599.5 600.005 x 100 is recorded, 600 600.5 599.5 601 x 100"),
        (-20, {"volume": 101}, "QQQ 12:40:00: 600 600.5 599.5 600.005 x 100 is recorded"),
        (-2, None, "x 100 is recorded, nothing is what the broker says now"),
    ],
    ids=["the newest", "the twentieth", "one that the broker lacks"],
)
def test_a_bar_that_differs_is_told_with_both_words(
    case: Case, capsys: pytest.CaptureFixture[str], at: int, theirs: dict[str, Any] | None, says: str
) -> None:
    case.now[QQQ][at : at + 1 or None] = [case.bars[at] | theirs] if theirs else []

    code = case.run("--json")
    out, error = capsys.readouterr()

    assert (code, says in error) == (1, True)
    found = {each["symbol"]: each for each in json.loads(out)}
    assert (found[QQQ]["bars"], len(found[QQQ]["differing"])) == (20, 1)
    assert found[OTHER] == {"symbol": OTHER, "bars": 20, "differing": [], "problem": ""}


def test_a_bar_before_the_last_twenty_is_not_looked_at(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.now[QQQ][-21] = case.bars[-21] | {"close": 600.1}

    assert (case.run("--symbols", QQQ.lower()), len(case.asked)) == (0, 1)


def test_a_bar_that_the_broker_has_and_we_do_not_is_told(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.now[QQQ].append(case.place.candle(BARS))

    code = case.run()

    assert (code, "13:00:00: nothing is recorded, 600" in capsys.readouterr().err) == (1, True)


def test_candles_of_another_day_do_not_count(case: Case) -> None:
    tomorrow = case.bars[0] | {"datetime": case.bars[0]["datetime"] + 86_400_000}
    case.now[QQQ].append(tomorrow)

    assert case.run() == 0


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "token_refused"), (429, "rate_limited"), (500, "server_error"), (200, "QQQ: bad_response")],
)
def test_a_broker_that_does_not_answer_well_is_no_difference(
    case: Case, capsys: pytest.CaptureFixture[str], status: int, says: str
) -> None:
    case.respond = answer(status)

    code = case.run("--json")
    out, error = capsys.readouterr()

    assert (code, says in error, SECRET in out + error) == (1, True, False)
    assert [(each["bars"], bool(each["problem"])) for each in json.loads(out)] == [(0, True), (0, True)]


def test_a_day_of_which_the_broker_has_nothing_passes_for_no_comparison(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    case.now[QQQ] = case.now[OTHER] = []

    assert (case.run(), "the broker has no bars of that day" in capsys.readouterr().err) == (1, True)


def test_a_day_that_is_not_in_the_lake_is_a_mistake(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert case.run(day=date(2026, 11, 30)) == 2
    assert "2026-11-30 is no day of this lake: it has 2026-11-27" in capsys.readouterr().err


@pytest.mark.parametrize("is_there", [True, False], ids=["expired", "none"])
def test_without_a_valid_token_nothing_is_asked(case: Case, capsys: pytest.CaptureFixture[str], is_there: bool) -> None:
    case.hand_over(time.time_ns() - 1)
    if not is_there:
        (case.folder / "token").unlink()

    assert (case.run(), case.asked) == (1, [])
    error = capsys.readouterr().err
    assert "token: no valid token to ask the broker with. Run ./inv token-push." in error


def test_a_symbol_that_is_not_recorded_is_a_mistake(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert (case.run("--symbols", "QQQ,SPY"), case.asked) == (2, [])
    assert "no candles of SPY are recorded here" in capsys.readouterr().err
