"""Which topic an entry of the data socket (HSM) belongs to: ids are given by snapshots and may be given anew."""

from dataclasses import dataclass

import numpy as np

from harvester.decode.frames import Columns, Flags, FrameBatch, Ints, Octets
from harvester.decode.hsm_entries import Entries, read_topic
from harvester.decode.hsm_layout import LITE, SNAPSHOT, UNKNOWN_KIND, Topic
from harvester.decode.merge import firsts, lasts

TOPIC_IDS = 1 << 16
NO_TOPIC = -1
NO_KIND = UNKNOWN_KIND + 1
"""Kind of an entry whose id has no topic."""


class TopicTable:
    """The topics that a connection's snapshots have named, and the topic that each id stands for now."""

    def __init__(self) -> None:
        self.topics: list[Topic] = []
        self._places: dict[Topic, int] = {}
        self._current = np.full(TOPIC_IDS, NO_TOPIC, np.int64)
        self._kinds = np.empty(0, np.uint8)
        self._scales = np.empty(0, np.int64)

    def define(self, topic: Topic) -> int:
        """Place of the topic in `topics`."""
        place = self._places.setdefault(topic, len(self.topics))
        if place == len(self.topics):
            self.topics.append(topic)
        return place

    def resume(self, topics: list[Topic], ids: Ints, places: Ints) -> None:
        """Go on from what a table was: its topics, and the place of the topic that each id stood for."""
        for topic in topics:
            self.define(topic)
        self._current[ids] = places

    def held(self) -> tuple[Ints, Ints]:
        """The ids that stand for a topic now, and the places of these topics."""
        ids = np.flatnonzero(self._current != NO_TOPIC)
        return ids, self._current[ids]

    def _refresh(self) -> None:
        new = self.topics[len(self._kinds) :]
        if new:
            self._kinds = np.append(self._kinds, np.array([topic.kind for topic in new], np.uint8))
            self._scales = np.append(self._scales, np.array([topic.scale for topic in new], np.int64))

    def kinds(self, topics: Ints) -> Octets:
        """Kind of each topic by place, NO_KIND for NO_TOPIC."""
        self._refresh()
        if not self.topics:
            return np.full(len(topics), NO_KIND, np.uint8)
        return np.where(topics == NO_TOPIC, np.uint8(NO_KIND), self._kinds[topics])

    def scales(self, topics: Ints) -> Ints:
        """Price scale of each topic by place."""
        self._refresh()
        return self._scales[topics]

    def kinds_now(self, ids: Ints) -> Octets:
        """Kind of the topic that each id stands for now."""
        return self.kinds(self._current[ids])

    def assign(self, ids: Ints, snapshots: Flags, defined: Ints) -> Ints:
        """Topic of each entry, given the entries by id and then by arrival.

        `snapshots` marks those that name a topic, `defined` says which. The last of each id holds from now on.
        """
        if not snapshots.any():
            return self._current[ids]
        first = firsts(ids)
        base = self._current[ids]
        base[snapshots] = defined[snapshots]
        source = np.where(first | snapshots, np.arange(len(ids)), 0)
        topics: Ints = base[np.maximum.accumulate(source)]
        last = lasts(first)
        self._current[ids[last]] = topics[last]
        return topics


@dataclass(frozen=True)
class Headers(Columns):
    """What entries say before their values, one array element an entry."""

    ids: Ints
    """Topic id."""
    counts: Ints
    """Number of values."""
    places: Ints
    """Where the values begin in the batch's buffer."""
    snapshots: Flags
    defined: Ints
    """Place of the topic that a snapshot names; NO_TOPIC for other entries."""


def read_headers(batch: FrameBatch, entries: Entries, table: TopicTable) -> Headers:
    """The headers of the entries; topics that snapshots name are added to the table."""
    octets, start = batch.octets, entries.start
    ids: Ints = octets[start + 1].astype(np.int64) << 8 | octets[start + 2]
    lite = entries.form == LITE
    counts = np.where(lite, 1, octets[start + 3].astype(np.int64))
    places = start + 4 - lite
    snapshots: Flags = entries.form == SNAPSHOT
    defined = np.full(len(entries), NO_TOPIC, np.int64)
    for entry in np.flatnonzero(snapshots).tolist():
        topic, counts[entry], places[entry] = read_topic(batch.raw, int(start[entry]))
        defined[entry] = table.define(topic)
    return Headers(ids, counts, places, snapshots, defined)
