"""Bring closed days here, verified and resumable, and free what is proven to be here."""
