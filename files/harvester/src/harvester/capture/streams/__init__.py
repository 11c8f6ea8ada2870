"""Streamed feeds: connection groups, their connections, liveness."""
