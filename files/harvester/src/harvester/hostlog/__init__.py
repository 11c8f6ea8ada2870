"""The host's own log leaves the host: what journald has, of every unit and the kernel, goes to CloudWatch each minute.

Imports base alone. No kept tool does it within a host's means: docs/architecture.md has the table.
"""
