"""What runs at its time on a host: the list of jobs, when each is due, the run of one, and the record of each run.

systemd is the scheduler; nothing here waits for a time. Imports base, calendar, config and health.
"""
