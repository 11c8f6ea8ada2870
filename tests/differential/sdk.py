"""The broker's unmodified SDK as a decoder: frames in, what its callbacks get out.

Only what it is given from outside is replaced: the address look-up of its constructor, and its logger, so that what it
swallows can be seen.
"""

import copy
import tempfile
from typing import Any, ClassVar

from fyers_apiv3.FyersWebsocket import data_ws, tbt_ws


class ListLogger:
    """Keeps what the SDK logs."""

    def __init__(self) -> None:
        self.entries: list[object] = []

    def __getattr__(self, _level: str) -> Any:
        return self.entries.append


class _DataSocket(data_ws.FyersDataSocket):  # type: ignore[misc]
    _instance: ClassVar[Any] = None


class _TbtSocket(tbt_ws.FyersTbtSocket):  # type: ignore[misc]
    _instance: ClassVar[Any] = None


class SdkHsm:
    """The SDK's data socket, subscribed to `symbols` (topic name -> ticker), never connected."""

    def __init__(self, symbols: dict[str, str], *, lite: bool = False) -> None:
        self.messages: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        _DataSocket._instance = None
        with tempfile.TemporaryDirectory() as folder:
            self.socket = _DataSocket("token", log_path=folder, litemode=lite)
        self.socket.data_logger = self.log = ListLogger()
        self.socket.symbol_token = dict(symbols)
        self.socket.OnMessage = self.messages.append
        self.socket.OnError = self.errors.append
        self.receive = self.socket._FyersDataSocket__response_msg

    def take(self, frame: bytes) -> list[dict[str, Any]]:
        """What the callback gets for this frame."""
        self.messages.clear()
        self.receive(frame)
        return list(self.messages)


class SdkTbt:
    """The SDK's 50-level socket, never connected. Its books are one store in the process: cleared unless told."""

    def __init__(self, *, clear: bool = True) -> None:
        self.updates: list[tuple[str, Any]] = []
        self.errors: list[object] = []
        self.server_errors: list[str] = []
        look_up, tbt_ws.getUrl = tbt_ws.getUrl, lambda _token: "wss://localhost"
        _TbtSocket._instance = None
        try:
            with tempfile.TemporaryDirectory() as folder:
                self.socket = _TbtSocket("app:token", log_path=folder)
        finally:
            tbt_ws.getUrl = look_up
        self.socket.tbtlogger = ListLogger()
        if clear:
            tbt_ws.DataStore.depth.clear()
        self.socket.onDepthUpdate = lambda ticker, depth: self.updates.append((ticker, copy.deepcopy(depth)))
        self.socket.onerror = self.errors.append
        self.socket.onErrorMsg = self.server_errors.append
        self.receive = self.socket._FyersTbtSocket__on_message

    def take(self, frame: bytes) -> list[tuple[str, Any]]:
        """What the callback gets for this frame, copied at once."""
        self.updates.clear()
        self.receive(frame)
        return list(self.updates)
