"""Gap ledgers: pure state machines that return control records to write. May import nothing of the harvester."""
