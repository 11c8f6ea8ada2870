"""Programs elsewhere that show signs of life in a mailbox: seen, judged, restarted within a budget, and told of.

`judge` decides from what was seen, what is remembered and the time, and from nothing else. Imports base and alerts;
it knows nothing of feeds, journals or lakes, because a host that only oversees has none.
"""
