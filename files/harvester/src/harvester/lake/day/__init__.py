"""A day's journal, interpreted: segments, control records, connections, windows and the slots due in them."""
