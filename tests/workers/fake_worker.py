"""A worker as a process: it takes its notebook from the mailbox and runs it. It knows nothing of the overseer.

MAILBOX is the folder as it sees it; with REMOTE that folder is kept in step with a remote by rclone, before and after.
NBCLIENT=1 runs the cells in a kernel, else they run here, one after the other, with `!pip` as the program on PATH.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

NOTEBOOK = "train.ipynb"


def main() -> int:
    """0: the notebook came to its end."""
    mailbox = Path(os.environ["MAILBOX"])
    _keep_in_step(os.environ.get("REMOTE", ""), str(mailbox))
    try:
        text = (mailbox / NOTEBOOK).read_text("utf-8")
        return _in_a_kernel(text) if os.environ.get("NBCLIENT") else _here(text)
    finally:
        _keep_in_step(str(mailbox), os.environ.get("REMOTE", ""))


def _keep_in_step(source: str, target: str) -> None:
    if os.environ.get("REMOTE"):
        subprocess.run([os.environ["RCLONE"], "sync", "--exclude", NOTEBOOK + ".*", source, target], check=True)


def _here(text: str) -> int:
    names: dict[str, object] = {"__name__": "__main__"}
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] != "code":
            continue
        lines = "".join(cell["source"]).split("\n")
        for line in [line for line in lines if line.startswith("!")]:
            subprocess.run(line[1:].partition("#")[0].split(), check=True)
        try:
            exec("\n".join(line for line in lines if not line.startswith(("!", "%"))), names)  # noqa: S102
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 1
    return 0


def _in_a_kernel(text: str) -> int:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    try:
        NotebookClient(nbformat.reads(text, as_version=4), timeout=120).execute()
    except CellExecutionError as error:
        print(error.ename, error.evalue, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
