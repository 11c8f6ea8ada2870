"""The recorder: connections and scheduled polls to the journal, with status and accounting; no pyarrow, no boto3."""
