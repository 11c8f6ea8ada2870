"""Shares as figures and in words: rounded, but only what is whole is 1, and 100.00 %."""


def share_of(part: int, whole: int) -> float | None:
    """With six decimals; None of nothing."""
    if not whole:
        return None
    return 1.0 if part == whole else min(round(part / whole, 6), 0.999999)


def in_percent(share: float) -> str:
    """A share in percent with two decimals: 0.999999 is 99.99."""
    return f"{100 * share if share == 1 else min(100 * share, 99.99):.2f}"
