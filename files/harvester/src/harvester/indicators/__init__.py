"""Figures that are computed from the bars of a session: exact, and rounded once, where they are delivered.

Pure: imports the standard library alone. Prices are integers of any one unit, such as paise or ten-thousandths.
"""
