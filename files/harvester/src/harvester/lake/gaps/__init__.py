"""The gap ledger of a closed day: each due slot and moment has data, or lies in one gap with its cause."""
