"""The front door of the lake: open_lake, and the errors that its answers raise. What reads a finished lake is here.

Needs pyarrow; numpy, polars, pandas and duckdb are imported when an answer is asked for in their form.
"""

from harvester.reader.errors import ReaderError
from harvester.reader.lake import Lake, open_lake

__all__ = ["Lake", "ReaderError", "open_lake"]
