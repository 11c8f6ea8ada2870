"""For child processes of the golden recorder: they find the scripted broker where their parent does."""

import os

from tests.golden.still import lead_hosts

lead_hosts(os.environ.get("GOLDEN_HOSTS", ""))
