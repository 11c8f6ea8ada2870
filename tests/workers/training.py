"""A notebook that is all but training: it fails on purpose, in one of nine kinds, until it is repaired."""

from pathlib import Path

from tests.workers.notebooks import notebook

PARAMETERS = """%matplotlib inline
batch_size = 64
learning_rate = 3e-4
gradient_clip_val = 0.5
REQUEST_TIMEOUT = 30
"""
HEAD = """import os, sys
sys.path.insert(0, os.environ["KIT"])
import worker_kit
worker = worker_kit.Worker(os.environ["MAILBOX"], url=os.environ.get("DOOR", ""), token=os.environ.get("TOKEN", ""))
asked = worker.restart_requested()
first = asked is None

def fail(wrong, error):
    if wrong:
        raise error
"""
TRAIN = """with worker.reporting("train.ipynb"):
    for step in range(3):
        worker.write_status(step + (0 if first else 10), loss=0.5)
    {fault}
    worker.write_status(99, finished=True)
"""
FAULTS = {
    "OOM": 'fail(batch_size > 32, RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))',
    "CUDA_ERROR": 'fail(batch_size > 32, RuntimeError("CUDA error: device-side assert triggered"))',
    "NAN_LOSS": 'fail(learning_rate > 1e-4, ValueError("Loss is NaN"))',
    "EXPLODING": 'fail(gradient_clip_val > 0.1, RuntimeError("Exploding gradients detected"))',
    "TIMEOUT": 'fail(REQUEST_TIMEOUT < 60, TimeoutError("Read timed out"))',
    "IMPORT": "import ccxt",
    "CONNECTION": 'fail(first, ConnectionResetError("[Errno 104] Connection reset by peer"))',
    "IO_ERROR": 'open("/nowhere/champion.pkl") if first else None',
    "DATA_ERROR": 'fail(first, KeyError("close"))',
    "UNKNOWN": 'fail(first, ZeroDivisionError("division by zero"))',
}


def training(kind: str) -> bytes:
    """The notebook that fails in this kind."""
    return notebook([PARAMETERS, HEAD, TRAIN.format(fault=FAULTS[kind])])


def stub_pip(folder: Path) -> Path:
    """A folder with a `pip` that installs nothing: it notes what was asked, and makes an empty module of it."""
    folder.mkdir()
    program = folder / "pip"
    program.write_text('#!/bin/sh\necho "$*" >> "$KIT/asked"\nfor last; do :; done\n: > "$KIT/$last.py"\n')
    program.chmod(0o755)
    return folder
