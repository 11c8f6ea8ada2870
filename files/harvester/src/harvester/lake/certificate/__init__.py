"""What a closed day holds, counted, and whether its files balance with that."""
