"""The stand-in of the second broker, Schwab: its OAuth, market data and streamer, served in the market us."""
