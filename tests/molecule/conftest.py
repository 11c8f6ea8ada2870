"""Scenarios run through test_scenarios.py; the tests of a scenario belong to Molecule, which runs them on its hosts."""

import os

from tests.scenarios import lab_machine, scenario

__all__ = ["lab_machine", "scenario"]

collect_ignore_glob = [] if "MOLECULE_FILE" in os.environ else ["*/tests/*"]
