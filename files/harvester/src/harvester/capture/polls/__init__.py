"""Polled feeds: which request is due when, and what became of it."""
