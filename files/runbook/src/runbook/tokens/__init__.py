"""Logins and tokens: push, undo, refresh, the token page, other secrets."""
