"""Deliveries: tables and files taken to a place of another's, in its layout, and read back there.

A delivery has four verbs, `plan`, `put`, `verify` and `receipt`; `run.deliver` does the rest, the same for each. The
copy of the lake in S3 (`upload`) and the price feed (`price_feed`) are two; docs/deliveries.md writes a third.
Imports base, and of the lake how days are called.
"""
