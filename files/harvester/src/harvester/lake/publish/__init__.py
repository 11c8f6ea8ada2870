"""Files under their final names, the archive of raw segments, receipts from elsewhere, and removals."""
