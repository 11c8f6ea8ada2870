"""All that the golden tests import of the harvester and its stand-ins. A module that moves is renamed here alone."""

from typing import get_args

from exchange.wire import hsm, tbt
from harvester.cli import run as run_command
from harvester.journal.format import FYERS_HSM, FYERS_REST, FYERS_TBT
from harvester.ledger.outage import Cause

CAUSES: tuple[str, ...] = get_args(Cause)

__all__ = ["CAUSES", "FYERS_HSM", "FYERS_REST", "FYERS_TBT", "hsm", "run_command", "tbt"]
