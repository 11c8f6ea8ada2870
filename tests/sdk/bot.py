"""A user's bot: documented SDK calls only, nothing patched; prints what it saw as JSON."""

import json
import os
import sys
from pathlib import Path

from fyers_apiv3 import fyersModel

token = Path(os.environ["FYERS_ACCESS_TOKEN_FILE"]).read_text().strip()
fyers = fyersModel.FyersModel(client_id=os.environ["FYERS_APP_ID"], token=token, log_path=sys.argv[1])
answers = {
    "profile": fyers.get_profile(),
    "status": fyers.market_status(),
    "depth": fyers.depth({"symbol": "NSE:SBIN-EQ", "ohlcv_flag": 1}),
    "quotes": fyers.quotes({"symbols": "NSE:SBIN-EQ,NSE:HDFCBANK-EQ"}),
    "history": fyers.history(
        {"symbol": "NSE:SBIN-EQ", "resolution": "D", "date_format": "1", "range_from": "2026-10-01",
         "range_to": "2026-10-31", "cont_flag": "1"}
    ),
    "logout": fyers.logout(),
    "after": fyers.get_profile(),
}  # fmt: skip
print(json.dumps(answers))
