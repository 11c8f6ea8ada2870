"""What a day's journal says: segments, control records, connections, windows and the slots due in them."""
