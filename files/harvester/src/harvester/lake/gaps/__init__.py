"""The gap ledger of a closed day: each due slot and moment is data, or lies in one gap with its cause."""
