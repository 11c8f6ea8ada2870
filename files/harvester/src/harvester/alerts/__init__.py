"""Messages to people: what is worth one, how often, and the channels that carry it.

Imports base, calendar, config and tokens; functions carry all but `host`.
"""
