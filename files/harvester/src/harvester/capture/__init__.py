"""The recorder: polled and streamed feeds into the journal, the accounting of what was missed, and the status file.

May import base, calendar, config, journal, ledger, tokens, net and brokers (`protocol` and `access` only). Never
imports pyarrow, boto3, pydantic, httpx or numpy, directly or not: the process must stay small.
"""
