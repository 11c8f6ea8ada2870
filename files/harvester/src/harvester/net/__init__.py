"""WebSocket and HTTPS connections: back-off, proxy, graceful close. May import base, journal and ledger; no broker."""
