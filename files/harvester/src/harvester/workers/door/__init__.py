"""The door by which a worker reports an error over HTTP: one handler, behind any server that makes it an event.

What comes in is data for a file and nothing else: no answer holds a part of it, no log either, and no token.
"""
