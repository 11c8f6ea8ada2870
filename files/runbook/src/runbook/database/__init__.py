"""The laptop's half of database backups: what the bucket has is fetched and merged, or restored beside it."""
