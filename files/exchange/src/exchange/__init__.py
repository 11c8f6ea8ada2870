"""A local exchange that speaks the broker Fyers' protocols to its unmodified SDK."""
