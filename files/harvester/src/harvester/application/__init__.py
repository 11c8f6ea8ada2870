"""The user's own application on a host: its hours, and whether it answers. Imports jobs (schedules) and what is below.

It is run by systemd and Docker Compose; nothing here touches its data.
"""
