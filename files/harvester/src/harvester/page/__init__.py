"""The token page: a link that is sent to a person leads to the broker's login and back. Imports base, tokens, alerts.

A function serves it, so it needs the standard library and boto3 alone.
"""
