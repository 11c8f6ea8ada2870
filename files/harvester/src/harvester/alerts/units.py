"""What systemd says of a unit that has failed once: only that ends its notice."""

import subprocess

WELL = {("active", "success"), ("inactive", "success")}


def is_well(unit: str) -> bool | None:
    """Whether it works again, or its last run succeeded; None where systemd does not say."""
    command = ["systemctl", "show", "--property=ActiveState", "--property=Result", "--", unit]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    said = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    if done.returncode or not {"ActiveState", "Result"} <= said.keys():
        return None
    return (said["ActiveState"], said["Result"]) in WELL
