"""Schwab's stand-in, as any client sees it: OAuth and its ends, candles and their day, quotes, the streamer, faults."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import aiohttp
import httpx
import pytest
from tests.sdk.conftest import Running, Start
from tests.sdk.test_faults import arm

from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.base.market import entered, zone

API = "https://api.schwabapi.com"
TOKEN, HISTORY = f"{API}/v1/oauth/token", f"{API}/marketdata/v1/pricehistory"
MINUTE_MS = 60_000


@pytest.fixture
def us(start: Start) -> Iterator[Running]:
    """The stand-in by the calendar of the market us; its clock is at noon of the Monday after a 25-hour Sunday."""
    with entered("us"):
        server = start(always_open=False)
        go_to(server, "2026-11-02T12:00:30")
        yield server


def go_to(server: Running, text: str) -> None:
    moment = datetime.fromisoformat(text).replace(tzinfo=zone())
    server.clock.move(moment.timestamp() - server.clock.wall_ns() / NS_PER_SECOND)


def post(server: Running, client: httpx.Client, secret: str | None = None, **form: str) -> httpx.Response:
    app = server.world.schwab.app
    pair = base64.b64encode(f"{app.key}:{secret or app.secret}".encode()).decode()
    return client.post(TOKEN, data=form, headers={"Authorization": f"Basic {pair}"})


def bearer(server: Running) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.world.schwab.login()['access_token']}"}


def candles(server: Running, client: httpx.Client, **query: str) -> list[dict[str, float]]:
    wanted = {"symbol": "QQQ", "periodType": "day", "period": "1", "frequencyType": "minute", "frequency": "1"} | query
    answer = client.get(HISTORY, params=wanted, headers=bearer(server))
    assert answer.status_code == 200, answer.text
    found: list[dict[str, float]] = answer.json()["candles"]
    return found


def test_a_login_ends_at_the_callback_with_a_code_that_is_good_once(us: Running) -> None:
    app = us.world.schwab.app
    query = {"response_type": "code", "client_id": app.key, "redirect_uri": app.callback, "state": "s&1"}
    with us.client() as client:
        page = client.get(f"{API}/v1/oauth/authorize", params=query)
        assert page.status_code == 200 and "Allow" in page.text
        answer = client.post(f"{API}/v1/oauth/authorize", params=query)
        back = parse_qs(urlsplit(answer.headers["Location"]).query)
        assert answer.headers["Location"].startswith(f"{app.callback}?") and back["state"] == ["s&1"]
        form = {"grant_type": "authorization_code", "code": back["code"][0], "redirect_uri": app.callback}
        first, second = post(us, client, **form), post(us, client, **form)
    assert first.json()["expires_in"] == 1800 and first.json()["token_type"] == "Bearer"
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("form", "secret", "status", "error"),
    [
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "wrong", 401, "invalid_client"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, None, 400, "refresh_token_authentication_error"),
        ({"grant_type": "password"}, None, 400, "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "x", "redirect_uri": "https://e/"}, None, 400, "invalid_request"),
    ],
)
def test_a_wrong_key_secret_or_token_is_refused_in_oauths_form(
    us: Running, form: dict[str, str], secret: str | None, status: int, error: str
) -> None:
    with us.client() as client:
        answer = post(us, client, secret, **form)

    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_an_access_token_lasts_30_minutes_and_what_renews_it_7_days_from_the_login(us: Running) -> None:
    login = us.world.schwab.login()
    renewal = {"grant_type": "refresh_token", "refresh_token": login["refresh_token"]}
    with us.client() as client:
        headers = {"Authorization": f"Bearer {login['access_token']}"}
        us.clock.move(1_795)
        assert client.get(f"{API}/trader/v1/userPreference", headers=headers).status_code == 200
        us.clock.move(10)
        ended = client.get(f"{API}/trader/v1/userPreference", headers=headers)
        assert ended.status_code == 401 and "expired" in ended.json()["errors"][0]["detail"]
        renewed = post(us, client, **renewal)
        assert renewed.status_code == 200 and renewed.json()["refresh_token"] == login["refresh_token"]
        us.clock.move(7 * 86_400 - 1_900)
        assert post(us, client, **renewal).status_code == 200
        us.clock.move(200)
        assert post(us, client, **renewal).json()["error"] == "refresh_token_authentication_error"


def test_a_days_candles_begin_at_the_opening_and_the_minute_under_way_is_among_them(us: Running) -> None:
    with us.client() as client:
        rows = candles(us, client)

    begins = [int(row["datetime"]) for row in rows]
    opening = int(datetime(2026, 11, 2, 9, 30, tzinfo=zone()).timestamp() * 1000)
    assert begins == [*range(opening, opening + 151 * MINUTE_MS, MINUTE_MS)]
    assert all(row["low"] <= min(row["open"], row["close"]) <= row["high"] and row["volume"] > 0 for row in rows)
    assert any(round(row["close"] * 1000) % 10 for row in rows), "half cents: two decimals would lose them"


def test_a_half_day_has_210_minutes_and_a_closed_day_none_of_its_own(us: Running) -> None:
    go_to(us, "2026-11-27T18:00:00")
    with us.client() as client:
        assert len(candles(us, client)) == 210
        go_to(us, "2026-11-26T12:00:00")
        day = int(datetime(2026, 11, 26, tzinfo=zone()).timestamp() * 1000)
        assert candles(us, client, startDate=str(day)) == []


def test_bounds_in_milliseconds_are_kept_and_what_is_no_request_is_refused(us: Running) -> None:
    begin = int(datetime(2026, 11, 2, 10, 0, tzinfo=zone()).timestamp() * 1000)
    with us.client() as client:
        rows = candles(us, client, startDate=str(begin), endDate=str(begin + 4 * MINUTE_MS))
        assert [int(row["datetime"]) for row in rows] == [begin + each * MINUTE_MS for each in range(5)]
        for wrong in ({"frequency": "7"}, {"startDate": "soon"}, {"period": "6"}, {"frequencyType": "daily"}):
            query = {"symbol": "QQQ", "frequencyType": "minute", "frequency": "1"} | wrong
            answer = client.get(HISTORY, params=query, headers=bearer(us))
            assert answer.status_code == 400 and answer.json()["errors"][0]["title"] == "Bad Request", wrong


def test_an_unknown_ticker_has_no_candles_and_is_named_among_quotes(us: Running) -> None:
    with us.client() as client:
        history = client.get(HISTORY, params={"symbol": "NOPE"}, headers=bearer(us)).json()
        quotes = client.get(f"{API}/marketdata/v1/quotes", params={"symbols": "QQQ,NOPE"}, headers=bearer(us)).json()
    assert history == {"candles": [], "symbol": "NOPE", "empty": True}
    assert quotes["errors"] == {"invalidSymbols": ["NOPE"]}
    quote = quotes["QQQ"]["quote"]
    assert quote["bidPrice"] < quote["askPrice"] and quote["lowPrice"] <= quote["lastPrice"] <= quote["highPrice"]


def test_the_121st_request_of_a_minute_is_refused(start: Start) -> None:
    with entered("us"):
        server = start(always_open=False, rate_limits=True)
        headers = bearer(server)
        with server.client() as client:
            url = f"{API}/marketdata/v1/quotes"
            told = [client.get(url, params={"symbols": "NOPE"}, headers=headers).status_code for _ in range(121)]
            preference = client.get(f"{API}/trader/v1/userPreference", headers=headers).status_code
    assert told == [200] * 120 + [429] and preference == 200


def test_a_late_answer_revises_the_minute_that_an_earlier_one_had(us: Running) -> None:
    with us.client() as client:
        arm(us, {"action": "candle_lag", "symbol": "QQQ", "delay_seconds": 50, "count": 1})
        early, later = candles(us, client), candles(us, client)
    minute = {int(row["datetime"]): row for row in later}[int(early[-1]["datetime"])]
    assert early[-1]["volume"] < minute["volume"] and early[:-1] == later[: len(early) - 1]


def test_a_correction_changes_the_minute_that_had_ended_and_no_other_for_as_long_as_it_lasts(us: Running) -> None:
    with us.client() as client:
        told = {int(row["datetime"]): row for row in candles(us, client)}
        arm(us, {"action": "revise", "symbol": "QQQ"})
        once = {int(row["datetime"]): row for row in candles(us, client)}
        us.clock.move(60)
        again = {int(row["datetime"]): row for row in candles(us, client)}
        other = candles(us, client, symbol="SPY")
        us.world.faults.clear()
        withdrawn = {int(row["datetime"]): row for row in candles(us, client)}

    *closed, _ = told
    assert [begin for begin in closed if once[begin] != told[begin]] == closed[-1:]
    before, after = told[closed[-1]], once[closed[-1]]
    assert after["volume"] == 2 * before["volume"] and after["close"] != before["close"]
    assert after["low"] <= after["close"] <= after["high"]
    assert {name: after[name] for name in ("open", "high", "low")} == {
        name: before[name] for name in ("open", "high", "low")
    }
    assert [again[begin] for begin in closed] == [once[begin] for begin in closed]
    assert [withdrawn[begin] for begin in closed] == [told[begin] for begin in closed]
    assert len(other) == len(again) == len(told) + 1


@pytest.mark.parametrize(
    ("fault", "status", "word"),
    [
        ({"action": "rate_limit", "retry_after_seconds": 3}, 429, "Too Many Requests"),
        ({"action": "error", "status": 503, "message": "try later"}, 503, "try later"),
    ],
)
def test_faults_have_the_brokers_own_error_body(us: Running, fault: dict[str, object], status: int, word: str) -> None:
    arm(us, fault | {"path": "/marketdata/*", "count": 1})
    with us.client() as client:
        answer = client.get(HISTORY, params={"symbol": "QQQ"}, headers=bearer(us))

    assert answer.status_code == status and word in json.dumps(answer.json()["errors"])


def test_fyers_is_not_served_in_the_market_us_nor_schwab_in_nse(us: Running, start: Start) -> None:
    with us.client() as client:
        assert client.get("https://api.schwabapi.com/data/depth").status_code == 404
    with entered("nse"), start().client() as client:
        assert client.get(HISTORY).status_code == 404


class Streamer:
    """One connection to the streamer, spoken to as the portal describes."""

    def __init__(self, server: Running, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._server, self._socket, self._number = server, socket, -1

    async def ask(self, service: str, command: str, **parameters: str) -> dict[str, object]:
        """Send a request; the content of its response."""
        self._number += 1
        customer = self._server.world.schwab.app.customer
        request = {
            "service": service, "command": command, "requestid": str(self._number),
            "SchwabClientCustomerId": customer, "SchwabClientCorrelId": "c", "parameters": parameters,
        }  # fmt: skip
        await self._socket.send_json({"requests": [request]})
        while "response" not in (message := await self.next()):
            pass
        content: dict[str, object] = message["response"][0]["content"]
        return content

    async def login(self, token: str | None = None) -> dict[str, object]:
        token = token or str(self._server.world.schwab.login()["access_token"])
        return await self.ask("ADMIN", "LOGIN", Authorization=token, SchwabClientChannel="N9")

    async def next(self) -> dict[str, list[dict[str, dict[str, object]]]]:
        """The next message; raises TypeError at the end of the connection."""
        message: dict[str, list[dict[str, dict[str, object]]]] = await self._socket.receive_json(timeout=20)
        return message


@asynccontextmanager
async def connected(server: Running) -> AsyncIterator[Streamer]:
    """A connection where userPreference says that the streamer is."""
    with server.client() as client:
        answer = client.get(f"{API}/trader/v1/userPreference", headers=bearer(server)).json()
    url = answer["streamerInfo"][0]["streamerSocketUrl"]
    tls = ssl.create_default_context(cafile=str(server.state / "ca.pem"))
    async with aiohttp.ClientSession() as session, session.ws_connect(url, ssl=tls) as socket:
        yield Streamer(server, socket)


def test_the_streamer_lets_in_a_good_token_alone_and_nothing_before_it(us: Running) -> None:
    async def story() -> list[object]:
        async with connected(us) as streamer:
            before = await streamer.ask("CHART_EQUITY", "SUBS", keys="QQQ", fields="0,1")
            return [before["code"], (await streamer.login("x"))["code"], (await streamer.login())["code"]]

    assert asyncio.run(story()) == [20, 3, 0]


def test_a_second_login_of_the_user_ends_the_first(us: Running) -> None:
    async def story() -> object:
        async with connected(us) as first, connected(us) as second:
            await first.login()
            await second.login()
            told = (await first.next())["response"][0]["content"]
            with pytest.raises(TypeError):
                await first.next()
            assert (await second.ask("CHART_EQUITY", "VIEW", fields="0"))["code"] == 0
            return told["code"]

    assert asyncio.run(story()) == 12


def test_a_streamed_minute_comes_after_its_end_in_the_wires_order_and_history_settles_it(us: Running) -> None:
    go_to(us, "2026-11-02T12:00:58")

    async def story() -> dict[str, float]:
        async with connected(us) as streamer:
            await streamer.login()
            assert (await streamer.ask("CHART_EQUITY", "SUBS", keys="QQQ,NOPE", fields="0,1,2,3,4,5,6,7,8"))[
                "code"
            ] == 0
            while "data" not in (message := await streamer.next()):
                pass
        [data] = message["data"]
        [row] = data["content"]
        return row  # type: ignore[return-value]

    row = asyncio.run(story())
    with us.client() as client:
        told = {int(each["datetime"]): each for each in candles(us, client)}[int(row["7"])]
    begin = datetime(2026, 11, 2, 12, 0, tzinfo=zone())
    assert row["key"] == "QQQ" and row["7"] == int(begin.timestamp() * 1000) and row["1"] == 720
    assert row["8"] == (begin.date() - datetime(1970, 1, 1).date()).days  # noqa: DTZ001  # a date's distance
    assert [row["2"], row["4"] >= told["low"], row["3"] <= told["high"]] == [told["open"], True, True]
    assert row["6"] <= told["volume"]
    assert us.clock.wall_ns() // NS_PER_MS >= row["7"] + MINUTE_MS
