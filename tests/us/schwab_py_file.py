"""Runs in the venv of requirements/schwab.txt: has schwab-py itself write its token file, or read one.

`write PATH`, under `exchange run`: the SDK renews an aged token, and PATH is what it wrote. `read PATH`: what it sees.
"""

import json
import os
import shutil
import sys
import time
import warnings

warnings.simplefilter("ignore")  # of its own imports
from schwab.auth import client_from_token_file  # noqa: E402  # type: ignore[import-not-found]

what, path = sys.argv[1:]
if what == "write":
    mine = os.environ["SCHWAB_TOKEN_FILE"]
    with open(mine, encoding="utf-8") as file:
        kept = json.load(file)
    kept["token"]["expires_at"] = int(time.time()) - 5
    with open(mine, "w", encoding="utf-8") as file:
        json.dump(kept, file)
    before = kept["token"]["access_token"]
    client_from_token_file(mine, os.environ["SCHWAB_APP_KEY"], os.environ["SCHWAB_SECRET"]).get_quote("QQQ")
    with open(mine, encoding="utf-8") as file:
        assert json.load(file)["token"]["access_token"] != before, "the SDK has written it anew"
    shutil.copy(mine, path)
else:
    read = client_from_token_file(path, "key", "secret").token_metadata
    token = read.token
    names = ("access_token", "refresh_token", "expires_at")
    json.dump({"created": read.creation_timestamp, **{name: token[name] for name in names}}, sys.stdout)
