"""`python -m lab.demo`: the demonstration as a command of its own; `./inv demo` starts it."""

import argparse
import sys
from pathlib import Path

from harvester.base.errors import HarvesterError
from lab.demo import SESSION_SECONDS, demonstrate
from lab.paths import REPOSITORY


def main() -> int:
    """Run the demonstration; the exit code: 0, or the error's own after its paragraph."""
    parser = argparse.ArgumentParser(prog="lab.demo", description=demonstrate.__doc__)
    parser.add_argument("--here", action="store_true", help="as ordinary processes, without a host")
    parser.add_argument("--down", action="store_true", help="take the lab down at the end")
    parser.add_argument("--seconds", type=int, default=SESSION_SECONDS, help="length of the trading session")
    parser.add_argument("--summary", type=Path, help="file to write the summary to, as JSON")
    options = parser.parse_args()
    try:
        demonstrate(
            REPOSITORY,
            on_host=not options.here,
            session_seconds=options.seconds,
            summary_file=options.summary,
            down=options.down,
        )
    except HarvesterError as error:
        print(f"demo: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
