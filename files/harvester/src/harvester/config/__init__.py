"""The settings model, and what is derived from it."""
