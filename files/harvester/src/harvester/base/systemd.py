"""sd_notify: tells systemd that the service is ready, alive, or stopping; silent where there is no systemd."""

import contextlib
import os
import socket


class Notifier:
    """Sends state lines to $NOTIFY_SOCKET (sd_notify(3)); without one it does nothing."""

    def __init__(self, address: str | None = None) -> None:
        address = address or os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        if self._socket:
            self._socket.setblocking(False)

    def ready(self, status: str) -> None:
        """The service does its work now."""
        self._send(f"READY=1\nSTATUS={status}")

    def alive(self, status: str) -> None:
        """Progress was made; call from the loop that makes it."""
        self._send(f"WATCHDOG=1\nSTATUS={status}")

    def stopping(self, status: str) -> None:
        """The service ends on purpose."""
        self._send(f"STOPPING=1\nSTATUS={status}")

    def close(self) -> None:
        if self._socket:
            self._socket.close()

    def _send(self, state: str) -> None:
        if self._socket:
            # A full or vanished socket is systemd's trouble, not a reason to stop recording.
            with contextlib.suppress(OSError):
                self._socket.sendto(state.encode(), self._address)
