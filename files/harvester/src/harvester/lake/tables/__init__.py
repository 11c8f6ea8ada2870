"""From records to Parquet: decoded rows, merged and de-duplicated by symbol, written and read back."""
