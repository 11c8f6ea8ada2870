"""`exchange serve` and `exchange run`: an exchange in the foreground, alone or around a command."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from exchange.environment import app_environment, client_environment
from exchange.exchange import Exchange
from exchange.options import Options
from exchange.state import write_file
from harvester.base.market import NSE, in_force, to_local

NOT_FOUND, NOT_EXECUTABLE = 127, 126
BY_SIGNAL = 128
LAST_WORDS_SECONDS = 0.5
"""For what the network still holds when a replay stops at its end."""


async def serve(options: Options) -> int:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Exchange(options) as exchange:
        print(json.dumps(exchange.describe()), flush=True)
        ends: list[asyncio.Task[object]] = [asyncio.create_task(stop.wait())]
        if exchange.player and options.stop_at_end:
            ends.append(asyncio.create_task(_until_taken(exchange)))
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in ends:
            task.cancel()
    return 0


async def _until_taken(exchange: Exchange) -> None:
    """Until the recorded day is over and the clients have it, or are gone."""
    if exchange.player:
        await exchange.player.ended.wait()
    await exchange.world.sockets.drained(0)
    await asyncio.sleep(LAST_WORDS_SECONDS)


async def run(options: Options, command: list[str]) -> int:
    """Start an exchange, run the command against it, and end with the command's exit code."""
    with tempfile.TemporaryDirectory(prefix="exchange-") as scratch:
        if options.state == Path():
            options = replace(options, state=Path(scratch))
        async with Exchange(options) as exchange:
            _warn_when_closed(exchange)
            return await _run_command(command, _environment(exchange))


def _environment(exchange: Exchange) -> dict[str, str]:
    token_file = exchange.state.path / "access-token"
    write_file(token_file, exchange.world.tokens.mint_access_token().encode())
    return {
        **os.environ,
        **client_environment(exchange.describe()),
        **app_environment(exchange.world.app, token_file),
        **(schwab_environment(exchange) if in_force() is not NSE else {}),
    }


def schwab_environment(exchange: Exchange) -> dict[str, str]:
    """The made-up credentials of the second broker, and a token file in the form of its SDK, logged in to just now."""
    grants, file = exchange.world.schwab, exchange.state.path / "schwab_token.json"
    write_file(file, json.dumps(grants.token_file()).encode())
    return {
        "SCHWAB_APP_KEY": grants.app.key,
        "SCHWAB_SECRET": grants.app.secret,
        "SCHWAB_CALLBACK": grants.app.callback,
        "SCHWAB_TOKEN_FILE": str(file),
    }


def _warn_when_closed(exchange: Exchange) -> None:
    now = exchange.clock.wall_ns()
    session = exchange.world.sessions.session(to_local(now).date())
    if not any(phase.open_ns <= now < phase.close_ns for phase in (session.phases if session else ())):
        print(
            "exchange: the market is closed by the calendar, so books stand still;"
            " `exchange run --always-open -- ...` keeps it open.",
            file=sys.stderr,
        )


async def _run_command(command: list[str], environment: dict[str, str]) -> int:
    """Signals that come meanwhile are handed on, those that come before the command is there as well.

    A terminal sends Ctrl-C to the command itself; a second one does no harm.
    """
    loop, waiting, children = asyncio.get_running_loop(), list[int](), list[asyncio.subprocess.Process]()

    def hand_on(number: int) -> None:
        if not children:
            waiting.append(number)
        for child in children:
            with suppress(ProcessLookupError):
                child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, hand_on, number)
    try:
        process = await asyncio.create_subprocess_exec(*command, env=environment)
    except FileNotFoundError:
        print(f"exchange: {command[0]}: command not found. Check its spelling and PATH.", file=sys.stderr)
        return NOT_FOUND
    except OSError as error:
        print(f"exchange: {command[0]}: cannot be run ({error.strerror}).", file=sys.stderr)
        return NOT_EXECUTABLE
    children.append(process)
    for early in waiting:
        hand_on(early)
    code = await process.wait()
    return code if code >= 0 else BY_SIGNAL - code
