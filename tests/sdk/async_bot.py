"""A user's bot in the SDK's asynchronous mode, which knows no proxy."""

import asyncio
import json
import os
import sys
from pathlib import Path

from fyers_apiv3 import fyersModel


async def main() -> None:
    token = Path(os.environ["FYERS_ACCESS_TOKEN_FILE"]).read_text().strip()
    app_id = os.environ["FYERS_APP_ID"]
    fyers = fyersModel.FyersModel(client_id=app_id, token=token, is_async=True, log_path=sys.argv[1])
    symbols = ("NSE:SBIN-EQ", "NSE:INFY-EQ", "NSE:M&M-EQ")
    answers = await asyncio.gather(*(fyers.depth({"symbol": symbol, "ohlcv_flag": 1}) for symbol in symbols))
    await fyers.close()
    print(json.dumps(answers))


asyncio.run(main())
