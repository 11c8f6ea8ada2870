"""How many examples Hypothesis tries: always the same ones, a third of them with --few, many new ones with --long.

What must pass before anything lands may not depend on luck; what looks for the unknown must.
"""

from typing import Any

from hypothesis import HealthCheck, settings

FEW, SHORT, LONG = "few", "short", "long"
FEW_DIVISOR, LONG_FACTOR = 3, 20

AT_ANY_SPEED: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
"""How fast a machine is, is no property."""

settings.register_profile(SHORT, derandomize=True, **AT_ANY_SPEED)
settings.register_profile(FEW, settings.get_profile(SHORT), max_examples=100 // FEW_DIVISOR)
settings.register_profile(LONG, max_examples=100 * LONG_FACTOR, print_blob=True, derandomize=False, **AT_ANY_SPEED)


def examples(number: int, **options: Any) -> settings:
    """Settings of one test that tries `number` examples, with --few a third, with --long 20 times as many."""
    tried = {FEW: max(number // FEW_DIVISOR, 1), LONG: number * LONG_FACTOR}
    return settings(max_examples=tried.get(settings.get_current_profile_name(), number), **options)
