"""WebSocket and HTTPS connections of the recorder: back-off, proxy, orderly close. Knows no broker."""
