"""What Schwab's wire says: requests, answers, limits. Source: its developer portal, Market Data Production."""
