"""Where things lie in a lake. Partition folders are Hive style, so that engines read them as they are.

depth/date=D/host=H/depth.parquet          raw/date=D/host=H/<segment>.seg.zst or .seg.pack
gaps/date=D/host=H/gaps.parquet            certificate/date=D/host=H/certificate.json
quotes, index, depth50, bars               likewise, on days with data of the sockets
manifest/date=D/host=H/manifest.json       superseded/...  what a later build of the day replaced
"""

import re
from datetime import date
from pathlib import Path
from typing import NamedTuple

DEPTH, GAPS, RAW, CERTIFICATE, MANIFEST = "depth", "gaps", "raw", "certificate", "manifest"
QUOTES, INDEX, DEPTH50, BARS = "quotes", "index", "depth50", "bars"
STREAMED = (QUOTES, INDEX, DEPTH50, BARS)
"""Tables that a day has only when the sockets gave data for them."""
BUILT = (DEPTH, GAPS, CERTIFICATE, *STREAMED)
"""Kinds of which a manifest lists exactly the current files; older ones move to superseded/."""
SUPERSEDED = "superseded"
LOCK_NAME = ".lock"
MANIFEST_NAME = "manifest.json"
PARTITION = re.compile(r"^date=(\d{4}-\d{2}-\d{2})/host=([a-z0-9][a-z0-9-]{0,62})$")


class Partition(NamedTuple):
    """One day of one host."""

    date: date
    host: str

    def path(self, kind: str) -> Path:
        """Its folder of that kind, relative to the lake."""
        return Path(kind, f"date={self.date.isoformat()}", f"host={self.host}")

    @property
    def manifest(self) -> Path:
        """The manifest in force, relative to the lake."""
        return self.path(MANIFEST) / MANIFEST_NAME


def find_partitions(lake: Path) -> list[Partition]:
    """The partitions that have a manifest, by date and host. Folders with other names are not partitions."""
    found = []
    for manifest in lake.glob(f"{MANIFEST}/*/*/{MANIFEST_NAME}"):
        match = PARTITION.match(manifest.parent.relative_to(lake / MANIFEST).as_posix())
        if match:
            found.append(Partition(date.fromisoformat(match[1]), match[2]))
    return sorted(found)
