"""A recorded day served again, from the raw journal, through the real protocols."""
