"""Download closed days, verified and resumable; remove from hosts the files whose verified copies are here."""
