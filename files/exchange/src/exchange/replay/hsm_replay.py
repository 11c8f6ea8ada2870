"""The data socket of a recorded day: recorded entries to those who subscribed their topics.

A client with all topics of a recorded connection gets its feed frames byte for byte, ids and message numbers included.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from exchange.replay.entries import LITE, SNAPSHOT, UPDATE, BadFrameError, Entry, is_feed, renumber, split
from exchange.replay.hsm_state import HsmState
from exchange.sockets.feeds import HsmListener
from exchange.wire import hsm

LAST_ID = 0xFFFF
UNCHANGED = b"\x80\0\0\0"
LTP = slice(4, 8)
"""Where the last price is in an update."""


@dataclass
class _Source:
    """One recorded connection: what its ids stand for, and its topics' state."""

    names: dict[int, str] = field(default_factory=dict)
    state: HsmState = field(default_factory=HsmState)


@dataclass
class _Listener:
    """A client: its topics (and whether in lite form), and the ids it knows."""

    topics: dict[str, bool] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    taken: dict[int, str] = field(default_factory=dict)
    """Topic of each id it has seen."""

    def id_of(self, name: str, recorded: int) -> int:
        """The id of a topic for this client: the recorded one unless another topic has it."""
        known = self.ids.get(name)
        if known is not None and (known == recorded or self.taken.get(recorded, name) != name):
            return known
        number = recorded
        if self.taken.get(number, name) != name:
            number = next(free for free in range(LAST_ID, 0, -1) if free not in self.taken)
        self.taken[number] = name
        self.ids[name] = number
        return number


class ReplayHsm:
    """`topics` is the ticker of each recorded topic; `on_join` is told of each subscription."""

    def __init__(self, topics: Mapping[str, str], on_join: Callable[[], None]) -> None:
        self._topics = topics
        self._on_join = on_join
        self._sources: dict[int, _Source] = {}
        self._owners: dict[str, int] = {}
        """The recorded connection from which each topic is served."""
        self._listeners: dict[HsmListener, _Listener] = {}

    def symbol_of(self, topic: str) -> str | None:
        return self._topics.get(topic)

    def join(self, listener: HsmListener, topics: Sequence[str], *, lite: bool) -> None:
        client = self._listeners.setdefault(listener, _Listener())
        for name in topics:
            client.topics[name] = lite and not name.startswith("dp")
            source = self._sources.get(self._owners.get(name, -1))
            if source is None:
                continue
            recorded = next((number for number, topic in source.names.items() if topic == name), LAST_ID)
            entry = source.state.snapshot(name, client.id_of(name, recorded))
            if entry is not None:
                listener.add(entry)
        listener.flush()
        self._on_join()

    def leave(self, listener: HsmListener, topics: Sequence[str]) -> None:
        client = self._listeners.get(listener)
        if client is None:
            return
        for name in topics:
            client.topics.pop(name, None)
        if not client.topics:
            del self._listeners[listener]

    @property
    def is_complete(self) -> bool:
        """Whether every recorded topic has a subscriber."""
        wanted = {name for client in self._listeners.values() for name in client.topics}
        return wanted >= self._topics.keys()

    def values(self, topic: str) -> dict[str, int]:
        """Values of a topic as they are now by name, 0 for absent ones; empty when there are none yet."""
        source = self._sources.get(self._owners.get(topic, -1))
        return source.state.values(topic) if source else {}

    def end(self, stream: int) -> None:
        """A recorded connection has ended: its topics may come from another one."""
        self._sources.pop(stream, None)
        self._owners = {name: owner for name, owner in self._owners.items() if owner != stream}

    def end_all(self) -> None:
        """Another run of the recorder: all its connections are over."""
        self._sources.clear()
        self._owners.clear()

    def play(self, stream: int, frame: bytes) -> None:
        """The next frame of a recorded connection. Its answers to requests were for the recorder alone."""
        if not is_feed(frame):
            return
        source = self._sources.setdefault(stream, _Source())
        try:
            message, entries = split(frame)
        except BadFrameError:
            self._play_damaged(stream, frame)
            return
        named = [found for entry in entries if (found := self._find(source, stream, entry)) is not None]
        same = len(named) == len(entries) and all(new is old for (new, _), old in zip(named, entries, strict=True))
        for listener, client in self._listeners.items():
            self._serve(listener, client, frame, message, named, whole=same)

    def _find(self, source: _Source, stream: int, entry: Entry) -> tuple[Entry, str] | None:
        """An entry and its topic, when that is served from this connection.

        Where a topic changes over from another connection, a snapshot takes the place of the entry.
        """
        if entry.form == SNAPSHOT:
            source.names[entry.id] = entry.name
        name = source.names.get(entry.id)
        if name is not None:
            source.state.take(entry, name)
        if name is None or self._owners.get(name, stream) != stream:
            return None
        if name not in self._owners:
            self._owners[name] = stream
            whole = None if entry.form == SNAPSHOT else source.state.snapshot(name, entry.id)
            if whole is not None:
                return Entry(SNAPSHOT, entry.id, name, whole), name
        return entry, name

    def _serve(
        self,
        listener: HsmListener,
        client: _Listener,
        frame: bytes,
        message: int,
        named: list[tuple[Entry, str]],
        *,
        whole: bool,
    ) -> None:
        parts, same = [], whole
        for entry, name in named:
            lite = client.topics.get(name)
            if lite is None:
                same = False
                continue
            number = client.id_of(name, entry.id)
            raw = entry.raw if number == entry.id else renumber(entry, number)
            if lite and entry.form == UPDATE:
                same = False
                if raw[LTP] == UNCHANGED:
                    continue
                raw = struct.pack(">B", LITE) + raw[1:3] + raw[LTP]
            same = same and raw is entry.raw
            parts.append(raw)
        if same and parts:
            listener.send_frame(frame, len(parts), message)
        elif parts:
            listener.send_frame(hsm.feed(message, parts), len(parts), message)

    def _play_damaged(self, stream: int, frame: bytes) -> None:
        """A frame that nobody can read goes to those who have all topics of its connection."""
        mine = {name for name, owner in self._owners.items() if owner == stream}
        for listener, client in self._listeners.items():
            if mine and mine <= client.topics.keys():
                listener.send_frame(frame, 1, 0)
