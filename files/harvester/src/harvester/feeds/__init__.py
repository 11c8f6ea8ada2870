"""Feeds: one module per way in which market data reaches us. A feed hands over what arrived, byte for byte."""
