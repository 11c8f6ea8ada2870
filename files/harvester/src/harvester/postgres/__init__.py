"""The delivery postgres: rows in tables of a PostgreSQL database, each bar as it ends, and whole days.

A table is made where it is missing and never changed; rows are copied into a temporary table and merged from there by
one statement that touches only what differs. docs/deliveries.md says what a person sees of it. Imports price_feed,
reader, deliver, lake and what they import; `live` and what it imports need neither numpy nor pyarrow.
"""
