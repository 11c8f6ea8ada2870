"""What the host says of itself in CloudWatch every minute: the metrics that alarms, dashboard and dead-man read.

Imports base, config and capture's status.
"""
