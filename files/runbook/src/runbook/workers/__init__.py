"""configure --worker: what a host needs to watch a worker elsewhere, asked for, tried at once, and written."""
