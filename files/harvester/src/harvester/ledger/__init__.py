"""Gap ledgers: pure state machines that return the control records to write. They import nothing of the harvester."""
