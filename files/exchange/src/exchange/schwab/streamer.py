"""A client of Schwab's streamer: one login of a user at a time, minutes of CHART_EQUITY, heartbeats.

Source: Schwab's developer portal, Streamer API (requests, response codes), but for the order of CHART_EQUITY's fields,
which the portal has wrong: schwab-py's ChartEquityFields, and the table of the crate rustyschwab-types.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from exchange.faults import STREAMER_ACTIONS, Armed
from exchange.market.history import HistoryRequest, candles
from exchange.schwab.tickers import LISTED
from exchange.sockets.connection import Connection
from exchange.world import World
from harvester.base.clock import NS_PER_MS, NS_PER_SECOND
from harvester.base.market import midnight_ns, to_local

FEED = "schwab-stream"
SUCCESS, LOGIN_DENIED, UNAVAILABLE, CLOSE_CONNECTION, NOT_LOGGED_IN, BAD_COMMAND, STOP_STREAMING = (
    0,
    3,
    11,
    12,
    20,
    21,
    30,
)
"""Response codes of the portal."""
TAKEN = CLOSE_CONNECTION, "Maximum of one streamer connection: closed for a new one"
LOGGED_OUT = STOP_STREAMING, "Streaming is stopped by the administrator"
SERVICE, MINUTE_NS = "CHART_EQUITY", 60 * NS_PER_SECOND
HEARTBEAT_SECONDS = 10.0
LOOK_SECONDS = 0.1
DELAY_NS = NS_PER_SECOND
"""From the end of a minute until it is sent; not documented, assumed."""
LATE_NS = 500 * NS_PER_MS
"""Prints so close to the end of a minute are missing in the streamed candle; price history has them. Assumed."""


class StreamClient:
    """Answers one client's requests, and sends what it subscribed to."""

    def __init__(self, connection: Connection, world: World, users: "Users") -> None:
        self.connection = connection
        self._world = world
        self._users = users
        self._keys: dict[str, int] = {}
        """By ticker, up to which moment minutes were sent: wall ns."""
        self._fields: set[str] = set()
        self._logged_in_ns = 0
        self._sequence = 0

    def is_let_in(self) -> bool:
        """A login outlives its access token; it ends where everything was revoked."""
        return not self._logged_in_ns or self._world.schwab.revoked_ns < self._logged_in_ns

    @property
    def symbols(self) -> list[str]:
        return list(self._keys)

    def describe(self) -> dict[str, object]:
        """What control answers show besides the connection's own facts."""
        return {"logged_in": bool(self._logged_in_ns), "subscribed": sorted(self._keys)}

    def refresh(self) -> None:
        """Minutes that were withheld are not sent again."""

    def leave(self) -> None:
        """The connection is over."""
        self._users.leave(self)

    def take(self, text: str) -> None:
        """Answer one text: a list of requests, or one alone."""
        try:
            message = json.loads(text)
            requests = message.get("requests", [message])
            for request in requests:
                self._answer(request, *self._do(request))
        except (ValueError, KeyError, TypeError, AttributeError):
            self._answer({}, BAD_COMMAND, "Bad command formatting")

    def _do(self, request: Mapping[str, Any]) -> tuple[int, str]:
        """Carry out a request; the response code and its text."""
        service, command, parameters = request["service"], request["command"], request.get("parameters") or {}
        if service == "ADMIN":
            return self._login(request, parameters) if command == "LOGIN" else self._logout()
        if not self._logged_in_ns:
            return NOT_LOGGED_IN, "Stream connection not found: log in first"
        if service != SERVICE:
            return UNAVAILABLE, f"{service} is not available"
        keys = [key for key in str(parameters.get("keys", "")).upper().split(",") if key]
        if command in ("SUBS", "ADD"):
            now_ns = self._world.clock.wall_ns()
            kept = self._keys if command == "ADD" else {}
            self._keys = kept | {key: self._keys.get(key, now_ns) for key in keys}
            self._fields = set(str(parameters.get("fields", "")).split(",")) or self._fields
        elif command == "UNSUBS":
            self._keys = {key: sent for key, sent in self._keys.items() if key not in keys}
        elif command != "VIEW":
            return BAD_COMMAND, f"{command} is no command"
        return SUCCESS, f"{command} command succeeded"

    def _login(self, request: Mapping[str, Any], parameters: Mapping[str, Any]) -> tuple[int, str]:
        if refusals := self._faults("refuse_auth"):
            refusals[0].used += 1
            return LOGIN_DENIED, "Login denied: by a fault"
        grants = self._world.schwab
        customer = str(request.get("SchwabClientCustomerId", ""))
        if not grants.admits(str(parameters.get("Authorization", ""))) or customer != grants.app.customer:
            return LOGIN_DENIED, "Login denied: token is invalid or has expired"
        self._logged_in_ns = self._world.clock.wall_ns()
        self._users.arrive(customer, self)
        return SUCCESS, "server=local;status=NP"

    def _logout(self) -> tuple[int, str]:
        self._keys.clear()
        self._users.leave(self)
        return SUCCESS, "SUCCESS"

    def end(self, code: int, text: str) -> None:
        """The login ends by the broker's word: say so, and close."""
        self._answer({"service": "ADMIN", "command": "LOGIN", "requestid": "0"}, code, text)
        self._keys.clear()
        self._logged_in_ns = 0
        self._users.leave(self)
        self.connection.close_after_sending(text)

    def _faults(self, *actions: str) -> list[Armed]:
        return self._world.faults.of_socket(actions, self.connection.path, lambda: self.symbols)

    def _end_by_fault(self) -> None:
        """A login that is to end now, as if another program had taken it, or the broker had ended it."""
        for armed in self._faults(*STREAMER_ACTIONS)[:1] if self._logged_in_ns else ():
            armed.used += 1
            self.end(*(TAKEN if armed.fault.action == "take_over" else LOGGED_OUT))

    def _answer(self, request: Mapping[str, Any], code: int, text: str) -> None:
        response = {
            "service": request.get("service", ""),
            "command": request.get("command", ""),
            "requestid": str(request.get("requestid", "")),
            "SchwabClientCorrelId": self._world.schwab.app.customer[:36],
            "timestamp": self._world.clock.wall_ns() // NS_PER_MS,
            "content": {"code": code, "msg": text},
        }
        self.connection.send(json.dumps({"response": [response]}))

    async def run(self) -> None:
        """Send heartbeats and minutes until cancelled."""
        beat = 0.0
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            beat += LOOK_SECONDS
            self._end_by_fault()
            if beat >= HEARTBEAT_SECONDS and self._logged_in_ns:
                beat = 0.0
                heartbeat = str(self._world.clock.wall_ns() // NS_PER_MS)
                self.connection.send(json.dumps({"notify": [{"heartbeat": heartbeat}]}))
            await self._send_minutes()

    async def _send_minutes(self) -> None:
        now_ns = self._world.clock.wall_ns()
        ended_ns = (now_ns - DELAY_NS) // MINUTE_NS * MINUTE_NS
        due = [key for key, sent_ns in self._keys.items() if sent_ns < ended_ns and key in LISTED]
        content = []
        for key in due:
            self._keys[key] = ended_ns
            row = await self._candle(key, ended_ns)
            if row is not None:
                content.append(self._content(key, row))
        if content:
            data = {"service": SERVICE, "timestamp": now_ns // NS_PER_MS, "command": "SUBS", "content": content}
            self.connection.send(json.dumps({"data": [data]}), entries=len(content), symbol=due[0])

    async def _candle(self, key: str, ended_ns: int) -> list[int | float] | None:
        """The minute that ended then, without its last prints; None where nothing traded."""
        begin_ns = ended_ns - MINUTE_NS
        asked = HistoryRequest(key, "1", begin_ns, ended_ns - 1, with_interest=False)
        async with self._world.candle_lock:
            rows = await asyncio.to_thread(candles, self._world.candle_model, asked, ended_ns - LATE_NS)
        return rows[0] if rows else None

    def _content(self, key: str, row: list[int | float]) -> dict[str, Any]:
        begin_s, opens, high, low, close, volume = row
        begin_ns = int(begin_s) * NS_PER_SECOND
        day = to_local(begin_ns).date()
        self._sequence += 1
        values: dict[str, Any] = {
            "1": (begin_ns - midnight_ns(day)) // MINUTE_NS,
            "2": float(opens), "3": float(high), "4": float(low), "5": float(close),
            "6": float(volume), "7": int(begin_s) * 1000, "8": day.toordinal() - EPOCH_DAY,
        }  # fmt: skip
        wanted = {name: value for name, value in values.items() if name in self._fields}
        return {"seq": self._sequence, "key": key, **wanted}


EPOCH_DAY = 719_163
"""date(1970, 1, 1).toordinal()."""


class Users:
    """Who is logged in: of each user one connection, the latest."""

    def __init__(self) -> None:
        self._clients: dict[str, StreamClient] = {}

    def arrive(self, customer: str, client: StreamClient) -> None:
        """A client has logged in; the one before it of the same user goes."""
        before = self._clients.get(customer)
        self._clients[customer] = client
        if before is not None and before is not client:
            before.end(*TAKEN)

    def leave(self, client: StreamClient) -> None:
        """A client has logged out, or is gone."""
        self._clients = {customer: each for customer, each in self._clients.items() if each is not client}
