"""What reads a finished lake: verification, export, table definitions. Never writes into it."""
