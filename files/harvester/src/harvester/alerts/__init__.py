"""What people are told: notices, how often and when, and the channels that carry them.

Imports base, calendar, config, tokens and health. Functions carry message, channels and the reminders without `host`.
"""
