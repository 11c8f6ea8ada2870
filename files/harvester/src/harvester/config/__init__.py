"""The settings: one model for host, laptop and recorder, and what follows from it. Imports base and calendar."""
