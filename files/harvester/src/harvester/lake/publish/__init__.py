"""Files under their final names, the lock of the lake, the archive of raw segments, receipts of other copies."""
