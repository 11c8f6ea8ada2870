"""Terminal: questions, tables, progress."""
