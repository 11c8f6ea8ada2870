"""Packed segments: a journal segment in a fraction of its bytes, and back bit for bit.

Most bytes of a segment are frames of the data socket with changed values of order books. They are coded by what is
already known: a level's quantity by the last quantity at that price, a price by the book before, a time by the clock.
Whatever does not fit the model goes through as it is. The format is described in docs/formats.md.
"""

from harvester.lake.pack.container import PackError, Unpacker, pack_file

__all__ = ["PackError", "Unpacker", "pack_file"]
