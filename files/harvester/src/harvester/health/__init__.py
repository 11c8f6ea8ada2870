"""What must be true on a host, in one list (`musts`), and whether the recorder does its work, each with its remedy.

`gather` looks, `facts` keeps what was seen, `installed` says what is expected; judging is done from these and the time
alone. Imports base, calendar, config, lake's manifests and capture's status.
"""
