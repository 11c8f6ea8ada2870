"""Gap ledgers: state machines that return the control records to write. They do no input or output."""
