"""The lake: a trading day as Parquet, gap ledger, certificate and manifest, built from the journal after the close."""
