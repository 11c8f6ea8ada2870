"""Whether the recorder does its work, judged from its status file, and the remedy if not."""
