"""Messages to people: what is worth one, how often, and the channels that carry it."""
