"""A start after an absence: what earlier runs left in the journal, and the gaps that this settles."""
