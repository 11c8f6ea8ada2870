"""The operators' tasks, one module for each part of the runbook: parse, call one function, print.

Modules load what a task needs inside it, so that listing tasks stays quick and a machine without the lab has the rest.
"""
