"""Access tokens: stores of secrets, the brokers' logins, the refresh, the agent and its hand-over. Imports base.

Functions carry most of it in their archives, so boto3 is imported only where a store in AWS is opened.
"""
