"""How many examples Hypothesis tries: always the same few by default, new ones and many more with --long.

What must pass before anything lands may not depend on luck; what looks for the unknown must.
"""

from typing import Any

from hypothesis import settings

SHORT, LONG = "short", "long"
LONG_FACTOR = 20

settings.register_profile(SHORT, deadline=None, derandomize=True)  # no deadline: how fast a machine is, is no property
settings.register_profile(LONG, deadline=None, derandomize=False, max_examples=100 * LONG_FACTOR, print_blob=True)


def examples(number: int, **options: Any) -> settings:
    """Settings of one test that tries `number` examples, or with --long as many more."""
    factor = LONG_FACTOR if settings.get_current_profile_name() == LONG else 1
    return settings(max_examples=number * factor, **options)
