"""The polled feed: which request is due when, and what became of it."""
