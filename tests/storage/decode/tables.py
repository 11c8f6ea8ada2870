"""Modules imported anew, so that tables which they make once, at import, are made again under a planted fault."""

import importlib.util
from types import ModuleType


def anew(module: ModuleType) -> ModuleType:
    """A second copy of a module, of the same name; the first stays what everybody uses."""
    assert module.__file__
    spec = importlib.util.spec_from_file_location(module.__name__, module.__file__)
    assert spec and spec.loader
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy
