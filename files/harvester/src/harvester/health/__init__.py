"""Whether the recorder does its work, judged from its status file, and the remedy if not.

Imports base, calendar, config and capture's status.
"""
