"""The delivery price-feed: the broker's candles as raw JSON and as csv.gz, in the layout that the feed's users have.

Raw data/Prices/YYYY-MM-DD/raw_file_YYYYmmdd_HHMMSS.json          answers as they came, in the bucket within a minute
analytics/csv/symbol=S/year=Y/month=MM/day=DD/data_TIMESTAMP.csv.gz    one file in force for each symbol and day

docs/formats.md has both forms. Imports upload, deliver, lake and what they import.
"""
