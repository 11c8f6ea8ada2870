"""The real recorder and the real exchange in one process, in still time, through a session in which little happens.

Runs in a working directory that `prepare` has made; `python -m tests.field.quiet_day` is the session. Of the exchange
only the pace differs: how often a symbol's book changes, and how often it looks whether a fault is due. The recorder's
status file, which nobody reads, is written every half minute.
"""

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.golden.loop import Policy, StillLoop, stop_timeouts_of_threads
from tests.golden.settings import ROOT, write_calendar
from tests.golden.still import NS_PER_SECOND, StillTime, lead_hosts, stand_still, wall

DATE = "2026-08-05"
OPENS, CLOSES = "10:00:00", "10:20:00"
OPENS_NS, CLOSES_NS = (wall(f"{DATE}T{time}+05:30") for time in (OPENS, CLOSES))
MINUTE_NS = 60 * NS_PER_SECOND
INDEX = "NSE:NIFTY50-INDEX"
BUSY = [f"NSE:BUSY{number:02}-EQ" for number in range(19)]
SLOW = [f"NSE:SLOW{number:02}-EQ" for number in range(40)]
BOOKS_50 = SLOW[:5]
AT_LIMIT = SLOW[7]
EARLY_SECONDS = 30
HALTS = [(200, 200), (700, 300)]
"""Seconds after the opening, and how long."""
CIRCUIT = (450, 600)
RATES = dict.fromkeys(SLOW, 1 / 60) | dict.fromkeys([*BUSY, INDEX], 0.2)
"""Changes of the book a second; of those of a slow symbol every other minute's is left out."""


def faults() -> list[dict[str, Any]]:
    """What happens to the market, by the exchange's own script."""
    halts = [{"action": "halt", "at_seconds": EARLY_SECONDS + at, "duration_seconds": long} for at, long in HALTS]
    at, long = CIRCUIT
    circuit = {"action": "circuit", "symbol": AT_LIMIT, "at_seconds": EARLY_SECONDS + at, "duration_seconds": long}
    return [*halts, circuit]


def master() -> str:
    """The symbol master, in the broker's form."""
    stocks = "".join(
        f"10100000{number:06},{name},0,1,0.05,INE{number:06}A01,0915-1530|1815-1915:,2026-08-05,,{name},10,10,{number},"
        f"{name},{number},-1.0,XX,10100000{number:06},None,1,0\n"
        for number, name in enumerate([*BUSY, *SLOW], start=1000)
    )
    index = f"101000000026000,NIFTY50-INDEX,10,1,0.05,,0915-1530|1815-1915:,2026-08-05,,{INDEX},10,10,26000"
    return f"{stocks}{index},NIFTY50-INDEX,26000,-1.0,XX,101000000026000,None,1,0\n"


def prepare(app_id: str) -> None:
    """Write configuration, calendar and symbol master into the working directory."""
    config = {
        "host_id": "lab1",
        "data_dir": f"{ROOT}/data",
        "symbols": [*BUSY, *SLOW],
        "feeds": ["fyers-hsm", "fyers-tbt"],
        "broker": {"app_id": app_id},
        "hsm": {"index_symbols": [INDEX]},
        "tbt": {"symbols": BOOKS_50},
        "calendar": {"file": f"{ROOT}/calendar.json", "phases": ["continuous"]},
        "connect_before_seconds": 10,
        "token": {"handover": f"{ROOT}/access-token", "file": f"{ROOT}/credential"},
        "journal": {"sync_interval_ms": 10_000},
        "status_file": f"{ROOT}/status.json",
        "disk_reserve_bytes": 1 << 20,
    }
    Path("config.json").write_text(json.dumps(config), encoding="utf-8")
    Path("master.csv").write_text(master(), encoding="utf-8")
    Path("data").mkdir()
    write_calendar(Path("calendar.json"), DATE, [[OPENS, CLOSES]])


def slow_down(exchange: Any) -> None:
    """Have the symbols' books change as RATES says."""
    profile = exchange.world.model.profile
    exchange.world.model.profile = lambda symbol: profile(symbol)._replace(rate=RATES[symbol])
    exchange.world.model.forget()


def thin_out(show: Callable[..., Any]) -> Callable[..., Any]:
    """Leave out the changes of every other minute of slow symbols, each in minutes of its own."""
    last: dict[tuple[str, int], Any] = {}

    def shown(self: Any, book: Any, levels: int) -> Any:
        seen = show(self, book, levels)
        key = book.symbol, levels
        if book.symbol in SLOW and (seen.time_ns // MINUTE_NS + SLOW.index(book.symbol)) % 2:
            return last.setdefault(key, seen)
        last[key] = seen
        return seen

    return shown


async def play(now: StillTime, port: int) -> None:
    """The exchange through the session, and SIGTERM for the recorder at its end."""
    import exchange.exchange as whole
    from exchange.faults import parse_faults
    from exchange.market.disruptions import Disruptions
    from exchange.options import Options
    from exchange.sockets import pump
    from harvester.base.redaction import Secret
    from harvester.capture import publisher
    from harvester.tokens.handover import Token, write_handover

    whole.LOOK_SECONDS, pump.LONGEST, publisher.EVERY_NS = 0.5, 1.0, 30 * NS_PER_SECOND
    Disruptions.show = thin_out(Disruptions.show)  # type: ignore[method-assign]
    script = parse_faults(json.dumps(faults()), "the quiet day")
    options = Options(Path("state"), port=port, calendar=Path("calendar.json"), symbols_file=Path("master.csv"),
                      faults=script, keep_frames=True)  # fmt: skip
    exchange = whole.Exchange(options)
    slow_down(exchange)
    async with exchange:
        expires_ns = now.wall_ns + 8 * 3600 * NS_PER_SECOND
        token = Secret(exchange.world.tokens.mint_access_token(8 * 3600))
        write_handover(Path("access-token"), Token(token, "file:1", expires_ns))
        await asyncio.sleep((CLOSES_NS - now.wall_ns) / NS_PER_SECOND + 20)
        Path("sockets.json").write_text(json.dumps(exchange.world.sockets.describe()), encoding="utf-8")
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(5)


def main(port: int) -> int:
    """Be the recorder, with the exchange in its loop."""
    gc.disable()  # a socket is closed when it is let go of, never at a collection
    now = stand_still(OPENS_NS - EARLY_SECONDS * NS_PER_SECOND)
    stop_timeouts_of_threads()
    lead_hosts(os.environ["GOLDEN_HOSTS"])
    from tests.golden import loop as still
    from tests.golden.production import run_command

    still.QUIET_SECONDS = 0  # nothing is compared byte for byte
    acts: list[asyncio.Task[None]] = []

    def new_loop() -> StillLoop:
        loop = StillLoop(now, lambda: None)
        if not acts:
            acts.append(loop.create_task(play(now, port)))
        return loop

    asyncio.set_event_loop_policy(Policy(new_loop))
    code = run_command(["run"])
    if acts[0].done() and not acts[0].cancelled():
        acts[0].result()
    return code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
