"""Streamed feeds: a feed has connection groups, a group one or two connections, a connection a liveness monitor."""
