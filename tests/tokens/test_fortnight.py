"""Two weeks on a moved clock: weekends, a holiday, a refresh that ends, an outage of SSM and a missed login.

Real: the functions, the stores against an emulated AWS, the exchange's login, the token agent, the recorder and its
journal. Moved: the clock. At the end each trading day is recorded or in the ledger with its cause, and people were
told exactly what they should have been.
"""

import asyncio
import importlib
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.recorder.bench import GOOD, Behaviour, Bench, JournalView, running
from tests.recorder.fakes import SYMBOLS, FakeClock, make_settings
from tests.tokens.conftest import PREFIX, REGION
from tests.tokens.pages import KEY, Phone

from exchange.exchange import Exchange
from exchange.options import Options
from exchange.state import App, StateDir
from exchange.tokens import Tokens
from harvester.alerts.message import Message
from harvester.base.clock import NS_PER_SECOND, SystemClock
from harvester.base.market import to_local, zone
from harvester.base.redaction import Secret
from harvester.base.systemd import Notifier
from harvester.calendar import PhaseName, TradingCalendar
from harvester.tokens import aws_stores
from harvester.tokens.agent import TokenAgent
from harvester.tokens.aws_stores import SsmStore
from harvester.tokens.places import open_place

FIRST, LAST = date(2026, 11, 9), date(2026, 11, 22)
HOLIDAY = date(2026, 11, 10)
PHASES: tuple[PhaseName, ...] = ("pre_open", "continuous", "closing_auction")
SHORT, WHOLE = (("pre_open",), 60), (PHASES, 300)
"""What the recorder records, and every how many seconds it polls."""
LOOKS = ("07:55", "08:00", "08:05", "08:30", "08:35", "08:45", "08:50", "08:55", "09:05", "09:10", "11:05", "13:05")
LATER_LOOKS = ("15:05", "15:40")
STORY = {
    "2026-11-16 08:20": "log in",
    "2026-11-17 06:59": "refresh ends",
    "2026-11-17 08:20": "log in",
    "2026-11-18 07:50": "SSM goes down",
    "2026-11-18 08:20": "try to log in",
    "2026-11-18 08:40": "SSM comes back",
    "2026-11-18 08:47": "log in",
    "2026-11-20 07:30": "push",
}
SAID = [
    "2026-11-12 07:00 info refresh_days: The refresh token ends within 3 days",
    "2026-11-14 07:00 info refresh_days: The refresh token ends within 1 day",
    "2026-11-16 07:00 warning refresh_refused: The token was not refreshed: log in for today",
    "2026-11-16 08:00 info no_token: Log in for today's session",
    "2026-11-16 08:30 clear token: The token is in place",
    "2026-11-17 07:00 warning refresh_gone: The broker no longer refreshes tokens: log in each day from now on",
    "2026-11-17 08:00 info no_token: Log in for today's session",
    "2026-11-17 08:30 clear token: The token is in place",
    "2026-11-18 08:00 info store_down: Log in for today's session",
    "2026-11-18 08:30 warning store_down: Still no login for today",
    "2026-11-18 08:45 warning no_token: Still no login for today",
    "2026-11-18 08:50 clear token: The token is in place",
    "2026-11-19 08:00 info no_token: Log in for today's session",
    "2026-11-19 08:30 warning no_token: Still no login for today",
    "2026-11-19 08:50 critical no_token: The session opens in minutes, without a token",
    "2026-11-19 09:05 critical no_token: Nothing is recorded: no valid token",
    "2026-11-19 11:05 critical no_token: Nothing is recorded: no valid token",
    "2026-11-19 13:05 critical no_token: Nothing is recorded: no valid token",
    "2026-11-19 15:05 critical no_token: Nothing is recorded: no valid token",
    "2026-11-20 07:55 clear token: The token is in place",
]


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone()).timestamp()) * NS_PER_SECOND


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The moved clock; everything of ours in this process goes by it."""
    clock = FakeClock(ns("2026-10-31T07:30:00"))
    monkeypatch.setattr(SystemClock, "wall_ns", lambda _: clock.wall_ns())
    # aiohttp dates its answers by the real clock, against which ours is off by design
    monkeypatch.setattr("harvester.tokens.login.check_clock", lambda _: None)
    return clock


@pytest.fixture
def broker(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    """An exchange in this process, so that it lives by the same clock."""
    state = tmp_path / "exchange"
    state.mkdir()
    app = replace(App.invent(), redirect_uri="https://page.example/callback")
    (state / "app.json").write_text(json.dumps(asdict(app)), encoding="utf-8")
    options = Options(state=state, always_open=True, rate_limits=False, refresh_allowed=True)
    ready, done = threading.Event(), threading.Event()
    found: list[Exchange] = []

    async def serve() -> None:
        async with Exchange(options) as exchange:
            found.append(exchange)
            ready.set()
            while not done.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(60)
    described = found[0].describe()
    leads = {"HTTPS_PROXY": described["proxy"], "SSL_CERT_FILE": described["ca"], "NO_PROXY": "127.0.0.1"}
    for name, value in leads.items():
        monkeypatch.setenv(name, str(value))
        monkeypatch.setenv(name.lower(), str(value))
    yield found[0]
    done.set()
    thread.join()


class World:
    """The functions of an account, people, and what they were told."""

    def __init__(self, broker: Exchange, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, aws: str) -> None:
        self.broker, self.clock, self.aws, self._patch = broker, clock, aws, monkeypatch
        self.said: list[str] = []
        self.link = ""
        self.failed_logins: list[int] = []
        calendar = TradingCalendar.load()
        market = ModuleType("market")

        def session_at(now: datetime) -> tuple[datetime, datetime, datetime] | None:
            windows = calendar.windows(now.astimezone(zone()).date(), PHASES)
            return (to_local(windows[0][0]), to_local(windows[-1][1]), to_local(windows[-1][1])) if windows else None

        vars(market).update(session_at=session_at, zone=zone, opening_after=None)  # the last: for Schwab
        monkeypatch.setitem(sys.modules, "market", market)
        monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "files" / "functions"))
        self.reminder, self.refresh, self.page = (
            importlib.import_module(name) for name in ("reminder", "token_refresh", "token_page")
        )
        for module in (self.reminder, self.refresh):
            monkeypatch.setattr(module, "channels", lambda: [self])
            monkeypatch.setattr(module, "remedy", self._remedy)
        clients: dict[tuple[str, str], Any] = {}
        make = aws_stores.open_client

        def kept(service: str, region: str | None) -> Any:
            key = (service, os.environ["AWS_ENDPOINT_URL"])
            return clients.setdefault(key, clients.get(key) or make(service, region))

        monkeypatch.setattr(aws_stores, "open_client", kept)

    kind = "people"

    def send(self, message: Message) -> str:
        moment = f"{to_local(self.clock.wall_ns()):%Y-%m-%d %H:%M}"
        self.said.append(f"{moment} {message.severity.name.lower()} {message.cause}: {message.title}")
        return ""

    def _remedy(self) -> str:
        from harvester.page.links import LinkSigner
        from harvester.page.service import link_address

        signer = LinkSigner(KEY, "alpha-harvester-lab")
        self.link = link_address("https://page.example", signer, self.clock.wall_ns())
        return f"Log in: {self.link}"

    def happen(self, what: str) -> None:
        if what == "refresh ends":
            self.broker.world.refresh_allowed = False
        elif what == "SSM goes down":
            self._patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        elif what == "SSM comes back":
            self._patch.setenv("AWS_ENDPOINT_URL", self.aws)
        elif what == "push":
            token = Tokens(StateDir(self.broker.options.state), self.clock).mint_access_token()
            SsmStore(f"{PREFIX}/fyers/access-token", REGION).write(Secret(token))
        else:
            answer = Phone(self.broker.options.state, lambda event: self.page.handler(event, None)).log_in(self.link)
            self.failed_logins += [answer["statusCode"]] if answer["statusCode"] != 200 else []

    def look(self) -> None:
        now = to_local(self.clock.wall_ns()).isoformat()
        self.reminder.handler({"now": now}, None)

    def renew(self) -> None:
        self.refresh.handler({}, None)


@pytest.fixture
def world(broker: Exchange, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, aws: str, ssm: Any) -> World:
    app = broker.world.app
    environment = {"PREFIX": PREFIX, "APP_ID": app.app_id, "ACCOUNT": app.user, "ENVIRONMENT": "alpha-harvester-lab"}
    for name, value in {**environment, "REFRESH": "true"}.items():
        monkeypatch.setenv(name, value)
    world = World(broker, clock, monkeypatch, aws)
    for place, value in {
        f"ssm:{PREFIX}/fyers/app-secret": app.secret,
        f"ssm:{PREFIX}/token-page/signing-key": KEY.get_secret_value(),
        f"ssm:{PREFIX}/fyers/refresh-token": broker.world.tokens.mint_refresh_token(),
        f"secret:{PREFIX}/fyers/pin": app.pin,
    }.items():
        open_place(place, REGION).write(Secret(value))
    return world


async def pass_time(bench: Bench, until_ns: int) -> None:
    """Let time pass; where no window is near nobody needs to run, which is what makes a fortnight short."""
    clock = bench.clock
    change_ns = bench.recorder.next_change_ns
    if bench.recorder.window is None and change_ns is not None:
        quiet_ns = min(until_ns, change_ns) - clock.wall_ns() - 60 * NS_PER_SECOND
        clock.freeze(max(0, quiet_ns) / NS_PER_SECOND)
    await clock.advance((until_ns - clock.wall_ns()) / NS_PER_SECOND)


async def live(world: World, bench: Bench, agent: TokenAgent) -> None:
    """Every moment at which something happens, in order, with the recorder running all the while."""
    day = FIRST
    while day <= LAST:
        events = {f"{day} 07:00": "renew"} | {f"{day} {look}": "look" for look in LOOKS + LATER_LOOKS}
        events |= {moment: what for moment, what in STORY.items() if moment.startswith(str(day))}
        for moment, what in sorted(events.items()):
            await pass_time(bench, ns(f"{moment[:10]}T{moment[11:]}:00"))
            {"look": world.look, "renew": world.renew}.get(what, lambda what=what: world.happen(what))()
            agent.look_now()
            await agent.poll()
            await world.clock.advance(1)
        day += timedelta(days=1)


@pytest.mark.parametrize(
    "recording", [pytest.param(SHORT, id="pre-open"), pytest.param(WHOLE, id="whole-days", marks=pytest.mark.long)]
)
def test_a_fortnight(
    recording: tuple[tuple[PhaseName, ...], int], world: World, clock: FakeClock, tmp_path: Path, figure: Any
) -> None:
    phases, interval = recording
    folder = tmp_path / "host"
    folder.mkdir()
    settings = make_settings(
        folder, poll={"interval_seconds": float(interval), "timeout_seconds": 5.0}, calendar={"phases": list(phases)}
    )
    agent = TokenAgent(
        SsmStore(f"{PREFIX}/fyers/access-token", REGION), settings.token.handover, clock=clock, notifier=Notifier("")
    )

    async def play() -> None:
        async with running(settings, clock) as bench:

            def script(symbol: str, slot_ns: int) -> Behaviour:
                dead = bench.access.token is None or bench.access.token.expires_at_ns <= clock.wall_ns()
                return Behaviour(cause="token_refused", status=401) if dead else GOOD

            bench.client.script = script
            await live(world, bench, agent)
            await bench.stop()

    clock.freeze((ns("2026-11-09T06:50:00") - clock.wall_ns()) / NS_PER_SECOND)
    asyncio.run(play())

    assert world.said == SAID
    assert world.failed_logins == [502] or world.failed_logins == [503]
    fates = recorded(JournalView(settings.journal_dir), phases, interval)
    missed = {day: fate for day, fate in fates.items() if set(fate) != {"data"}}
    assert set(missed) == {"2026-11-19"}
    assert set(missed["2026-11-19"]) == {"no_token"}
    assert len(fates) == 9, "ten weekdays, one of them a holiday"
    assert str(HOLIDAY) not in fates
    unexplained = sum(fate.get("unexplained", 0) for fate in fates.values())
    figure("fortnight_unexplained_slots", unexplained, bound="== 0", unit="slots", gate=True)
    wrong = len(set(world.said) ^ set(SAID))
    figure("fortnight_messages_out_of_place", wrong, bound="== 0", unit="messages", gate=True)


def recorded(ledger: JournalView, phases: tuple[PhaseName, ...], interval: int) -> dict[str, dict[str, int]]:
    """What became of the slots of each trading day: data, or the cause of the gap they lie in."""
    calendar, found = TradingCalendar.load(), {}
    day = FIRST
    while day <= LAST:
        fates: Counter[str] = Counter()
        for window in calendar.windows(day, phases):
            for slot in range(window[0], window[1], interval * NS_PER_SECOND):
                for symbol in SYMBOLS:
                    causes = ledger.causes(symbol, slot)
                    has = slot in ledger.data.get(symbol, set())
                    one = "data" if has else causes[0] if len(causes) == 1 else "unexplained"
                    fates["unexplained" if has and causes else one] += 1
        if fates:
            found[str(day)] = dict(fates)
        day += timedelta(days=1)
    return found
