"""Fyers API v3: what its wire says. Requests and answers, frames of its two sockets, symbol master, topics, limits."""
