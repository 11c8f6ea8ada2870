"""What the role must know of the host before it acts, as one JSON object. Arguments: package names."""

import json
import shutil
import subprocess
import sys
from pathlib import Path


def wait_for_first_boot() -> None:
    """cloud-init holds the package lock and rewrites files; its own status code is not ours to judge."""
    if shutil.which("cloud-init"):
        subprocess.run(["cloud-init", "status", "--wait"], stdout=subprocess.DEVNULL, timeout=600, check=False)


def missing_packages(wanted: list[str]) -> list[str]:
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev}|${Package}\n", *wanted]
    answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    present = {line.partition("|")[2] for line in answer.splitlines() if line.startswith("ii")}
    return [name for name in wanted if name not in present]


def has_swap() -> bool:
    return len(Path("/proc/swaps").read_text(encoding="ascii").splitlines()) > 1


def zone() -> str:
    return str(Path("/etc/localtime").resolve()).rpartition("zoneinfo/")[2]


wait_for_first_boot()
print(json.dumps({"missing": missing_packages(sys.argv[1:]), "swap": has_swap(), "zone": zone()}))
