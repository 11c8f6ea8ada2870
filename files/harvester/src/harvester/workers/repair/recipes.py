"""What is changed in a notebook for a kind of error. Every recipe has a floor below which it changes nothing."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from harvester.workers.repair.kinds import missing_module, words
from harvester.workers.repair.source import Literal, cell_magic, compiles, literals, replaced

BATCH = (
    "BATCH_SIZE",
    "batch_size",
    "TRAIN_BATCH_SIZE",
    "train_batch_size",
    "per_device_train_batch_size",
    "minibatch_size",
)
BATCH_FLOOR = 8
RATE = ("LEARNING_RATE", "learning_rate", "LR", "lr")
RATE_FLOOR = 1e-7
CLIP = ("gradient_clip_val", "GRADIENT_CLIP_VAL", "max_grad_norm", "MAX_GRAD_NORM")
CLIP_FLOOR = 0.1
PATIENCE = ("REQUEST_TIMEOUT", "request_timeout")
PATIENCE_CEILING = 600
MARK = "# Auto-Repair"


class Patched(NamedTuple):
    """The sources of the code cells after a recipe. `why`: why it changed nothing."""

    sources: list[str]
    why: str = ""
    hopeless: bool = False
    """A restart without the change fails the same way."""


Recipe = Callable[[Sequence[str], str], Patched]


def patch(kind: str, sources: Sequence[str], message: str) -> Patched:
    """Apply the recipe of a kind to the code cells. Each cell that it changed compiles, as it did before."""
    recipe = RECIPES.get(kind)
    if recipe is None:
        return Patched(list(sources), "for this kind nothing is changed")
    done = recipe(sources, message)
    for before, after in zip(sources, done.sources, strict=True):
        if before != after and not compiles(after):
            return Patched(list(sources), "the change does not compile, so it was not made")
    return done


def _numbers(
    names: Sequence[str], change: Callable[[Literal], str | None], what: str, floor: str, sources: Sequence[str], _: str
) -> Patched:
    """Give these names other numbers. `floor`: where `what` is when nothing is left to change."""
    found, new = False, []
    for source in sources:
        changes = []
        for literal in literals(source):
            if literal.name in names:
                found = True
                if (text := change(literal)) is not None:
                    changes.append((literal, text))
        new.append(replaced(source, changes))
    if new != list(sources):
        return Patched(new)
    return Patched(new, f"{what} {floor} already" if found else f"no cell gives {what} a number")


def _halved(literal: Literal) -> str | None:
    try:
        value = int(literal.text)
    except ValueError:
        return None
    return str(max(value // 2, BATCH_FLOOR)) if value > BATCH_FLOOR else None


def _tenth(literal: Literal) -> str | None:
    value = _number(literal)
    if value is None or value <= RATE_FLOOR:
        return None
    return f"{max(value / 10, RATE_FLOOR):.1e}"


def _clipped(literal: Literal) -> str | None:
    value = _number(literal)
    return str(CLIP_FLOOR) if value is not None and value > CLIP_FLOOR else None


def _doubled(literal: Literal) -> str | None:
    value = _number(literal)
    if value is None or not 0 < value < PATIENCE_CEILING:
        return None
    doubled = min(value * 2, PATIENCE_CEILING)
    return str(int(doubled)) if literal.text.isdigit() else f"{doubled:g}"


def _number(literal: Literal) -> float | None:
    try:
        value = float(literal.text)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def _install(sources: Sequence[str], message: str) -> Patched:
    """Install a module that is lacking, where it is on the list; a name out of a message reaches no command."""
    module = missing_module(message)
    distribution = words().modules.get(module)
    if distribution is None:
        named = (
            "it names no module"
            if not module
            else "the module that is lacking is not on the list of what may be installed"
        )
        return Patched(list(sources), named, hopeless=True)
    line = f"!pip install -q {distribution}  {MARK}"
    if any(line in source for source in sources):
        return Patched(list(sources), f"{distribution} is installed by it already", hopeless=True)
    new = list(sources)
    for number, source in enumerate(new):
        if not cell_magic(source):
            new[number] = f"{line}\n{source}"
            return Patched(new)
    return Patched(new, "no cell can take a line", hopeless=True)


def _explosion(sources: Sequence[str], message: str) -> Patched:
    done = _CLIPPED(sources, message)
    return done if done.sources != list(sources) else _TENTH(sources, message)


_HALVED = partial(_numbers, BATCH, _halved, "the batch size", f"is at its floor of {BATCH_FLOOR}")
_TENTH = partial(_numbers, RATE, _tenth, "the learning rate", f"is at its floor of {RATE_FLOOR:g}")
_CLIPPED = partial(_numbers, CLIP, _clipped, "the limit of gradients", f"is at its floor of {CLIP_FLOOR:g}")
RECIPES: dict[str, Recipe] = {
    "OOM": _HALVED,
    "CUDA_ERROR": _HALVED,
    "NAN_LOSS": _TENTH,
    "EXPLODING": _explosion,
    "IMPORT": _install,
    "TIMEOUT": partial(_numbers, PATIENCE, _doubled, "the timeout", f"is at its ceiling of {PATIENCE_CEILING} s"),
}
