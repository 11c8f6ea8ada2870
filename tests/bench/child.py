"""Work in a process of its own, so that its CPU seconds and its memory are its own."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "files/harvester/src/harvester"


def run(module: str, *arguments: object, alone: bool = False, python: str = sys.executable) -> dict[str, Any]:
    """Run `python -m MODULE ARGUMENTS`; the JSON object that it printed last is returned.

    With `alone` it has a network and mounts of its own, and goes before other work of the machine; that needs root.
    `python` is that of another venv, which has our packages on its path.
    """
    command = [
        *(["nice", "-n", "-15", "unshare", "--net", "--mount"] if alone else []),
        python,
        "-W",
        "ignore",
        "-m",
        module,
        *map(str, arguments),
    ]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    if python != sys.executable:
        environment["PYTHONPATH"] = str(PACKAGE.parent)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@cache
def compiled() -> dict[str, str]:
    """An environment in which the recorder's modules need not be compiled, as on a host, where a release is compiled.

    Compiling takes some MiB that the process keeps, and no host's recorder has them.
    """
    environment = {
        **os.environ,
        "PYTHONPYCACHEPREFIX": str(Path(sys.prefix) / "bytecode"),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    compile_all = (
        f"import compileall, encodings.idna, harvester.commands.run; compileall.compile_dir({str(PACKAGE)!r}, quiet=1)"
    )
    subprocess.run([sys.executable, "-c", compile_all], env=environment, check=True)
    return environment


def peak_mib() -> float:
    """The largest resident memory that this program has had; what getrusage says goes back to before its exec."""
    return memory_kib("VmHWM") / 1024


def memory_kib(field: str, pid: int | str = "self") -> int:
    """A field of a process's /proc status in KiB, such as VmHWM or VmRSS."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    raise LookupError(f"/proc/{pid}/status has no {field}")
