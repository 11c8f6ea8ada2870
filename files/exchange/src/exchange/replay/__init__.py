"""What was recorded served again: a day of a raw journal through the real protocols, or rows of /depth by time."""
