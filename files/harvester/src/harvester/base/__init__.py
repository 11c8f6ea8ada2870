"""What every room stands on: clocks, errors, redaction, logs, systemd, AWS's names, files, checked models.

Imports nothing of ours.
"""
