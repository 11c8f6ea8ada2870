"""Runs in the venv of requirements/schwab.txt: an ordinary schwab-py program, nothing patched; what it saw, as JSON."""

import asyncio
import json
import os
import sys
import time
import warnings

warnings.simplefilter("ignore")  # of its own imports
from schwab.auth import client_from_token_file  # noqa: E402  # type: ignore[import-not-found]
from schwab.streaming import (  # noqa: E402  # type: ignore[import-not-found]
    StreamClient,
    UnexpectedResponse,
    UnexpectedResponseCode,
)

FILE, KEY, SECRET = (os.environ[f"SCHWAB_{name}"] for name in ("TOKEN_FILE", "APP_KEY", "SECRET"))


def token() -> dict[str, object]:
    """What the SDK keeps in its file."""
    with open(FILE, encoding="utf-8") as file:
        return dict(json.load(file)["token"])


def age_the_token() -> None:
    """As if its 30 minutes were over: the SDK renews it at the next call."""
    with open(FILE, encoding="utf-8") as file:
        kept = json.load(file)
    kept["token"]["expires_at"] = int(time.time()) - 5
    with open(FILE, "w", encoding="utf-8") as file:
        json.dump(kept, file)


async def stream(client: object) -> dict[str, object]:
    first, got = StreamClient(client), []
    await first.login()
    first.add_chart_equity_handler(got.append)
    await first.chart_equity_subs(["QQQ"])
    await first.chart_equity_add(["SPY"])
    while not got:
        await first.handle_message()
    await first.chart_equity_unsubs(["SPY"])
    second = StreamClient(client)
    await second.login()
    try:
        while True:
            await first.handle_message()
    except UnexpectedResponse as error:
        replaced = error.response["response"][0]["content"]["code"]
    client.token_metadata.token["access_token"] = "nonsense"
    denied = 0
    try:
        await StreamClient(client).login()
    except (UnexpectedResponseCode, AssertionError) as error:
        denied = getattr(error, "response", {}).get("response", [{"content": {"code": 401}}])[0]["content"]["code"]
    return {"minute": got[0]["content"][0], "replaced": replaced, "denied": denied}


def main() -> None:
    before = token()
    age_the_token()
    client = client_from_token_file(FILE, KEY, SECRET)
    every_minute = client.get_price_history_every_minute("QQQ", need_previous_close=True).json()
    fives = client.get_price_history_every_five_minutes("QQQ").json()
    quotes = client.get_quotes(["QQQ", "NOPE"]).json()
    seen = {
        "minutes": every_minute["candles"][-5:], "previous": every_minute["previousClose"],
        "fives": len(fives["candles"]), "quotes": quotes, "quote": client.get_quote("SPY").json(),
        "renewed": token()["access_token"] != before["access_token"],
        "kept": token()["refresh_token"] == before["refresh_token"],
        "stream": asyncio.run(stream(client)),
    }  # fmt: skip
    json.dump(seen, sys.stdout)


main()
