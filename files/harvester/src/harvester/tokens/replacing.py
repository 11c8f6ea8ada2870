"""A private file replaced in one step: whoever reads it sees the old content or the new one, never a part."""

import contextlib
import os
from pathlib import Path


def replace_private(path: Path, text: str, mode: int) -> None:
    """Write beside the path with this mode, then rename; nothing with the text in it stays behind. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)  # from a process that died, and had the same number
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
