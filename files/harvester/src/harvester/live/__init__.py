"""What today has so far, as it comes: the journal read on, and the live page that shows it.

`tail` and `bars` are the deliveries' as well, and need neither numpy nor pyarrow. Imports lake's layout, decode, dues'
words, and what is below. Nothing here writes.
"""
