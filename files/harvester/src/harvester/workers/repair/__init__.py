"""Repairs of a notebook: what kind an error is, what is changed for it, and how it is undone.

What an error says is data (`kinds.json`); what is changed is found by Python's own tokens and must compile afterwards.
"""
