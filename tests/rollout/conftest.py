"""Scenarios on lab hosts; they live beside those of the molecule suite."""

from tests.scenarios import lab_machine, scenario

__all__ = ["lab_machine", "scenario"]
