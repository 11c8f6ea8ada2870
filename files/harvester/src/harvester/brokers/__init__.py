"""One package a broker: what its wire says, its symbols, its limits."""
