"""The journal: append-only segments of checksummed records, the one truth about what was received."""

from harvester.journal.format import Frame, JournalError, Poll, Record, RunInfo
from harvester.journal.reader import SegmentScan, read_segment, scan
from harvester.journal.recovery import RecoveryReport, recover
from harvester.journal.writer import JournalWriter

__all__ = [
    "Frame",
    "JournalError",
    "JournalWriter",
    "Poll",
    "Record",
    "RecoveryReport",
    "RunInfo",
    "SegmentScan",
    "read_segment",
    "recover",
    "scan",
]
