"""`./inv`: what it loads takes a moment, and an interrupt meanwhile shows no traceback either."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line; ends the process."""
    try:
        from runbook.tasks.program import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
