"""The journal: append-only segments of checksummed records, the one truth about what was received."""
