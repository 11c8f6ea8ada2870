"""Fyers API v3: requests and answers, frames of its two sockets, symbol master, topics."""
