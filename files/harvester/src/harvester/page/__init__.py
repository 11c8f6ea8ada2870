"""The token page: from the link in a message, over the broker's login, to a stored token. Standard library alone."""
