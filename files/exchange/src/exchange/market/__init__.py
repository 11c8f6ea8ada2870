"""The market behind the exchange: instruments, a seeded book model, candles, and replay of a recorded day."""
