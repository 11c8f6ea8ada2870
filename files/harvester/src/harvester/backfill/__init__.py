"""The broker's bars of days past: an order, the requests it takes, the answers in a journal, and the lake made of them.

Two programs, as in a session: `ask` talks to the broker, holds the token and writes a journal of its own; `build` has
no network and makes tables of it. What has been answered already is in the lake's certificates and in that journal, so
either can be killed at any time and begins where it was.
"""
