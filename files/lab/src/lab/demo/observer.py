"""A user's program on the broker's own unmodified SDK: asks for each symbol's depth and prints what it saw as JSON.

Run as a process of its own, with the environment that leads the SDK to the local exchange; only documented calls.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

PAUSE_SECONDS = 0.4
"""The limit of calls a second counts those of the harvester, too."""


def main(symbols: list[str]) -> int:
    """Print {"asked", "books"}: calls made, and per symbol the SDK's last traded price and best bid and ask."""
    from fyers_apiv3 import fyersModel

    token = Path(os.environ["FYERS_ACCESS_TOKEN_FILE"]).read_text("ascii").strip()
    books = {}
    with tempfile.TemporaryDirectory() as logs:  # the SDK writes its log files where it is told to
        broker = fyersModel.FyersModel(client_id=os.environ["FYERS_APP_ID"], token=token, log_path=logs)
        for symbol in symbols:
            time.sleep(PAUSE_SECONDS)
            answer = broker.depth({"symbol": symbol, "ohlcv_flag": 1})
            if answer.get("s") != "ok":
                print(f"the SDK got no depth of {symbol}: {answer}", file=sys.stderr)
                return 1
            row = answer["d"][symbol]
            books[symbol] = {"ltp": row["ltp"], "bid": row["bids"][0]["price"], "ask": row["ask"][0]["price"]}
    print(json.dumps({"asked": len(symbols), "books": books}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
