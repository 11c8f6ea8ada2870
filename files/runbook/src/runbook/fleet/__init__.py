"""Hosts of the inventory: SSH, playbooks, status, logs, login keys."""
