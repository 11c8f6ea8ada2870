"""The copy of closed days in S3: put once, verified by checksum, never overwritten, never deleted from here."""
