"""Scenarios run through test_scenarios.py; the tests of a scenario belong to Molecule, which runs them on its hosts."""

import os

collect_ignore_glob = [] if "MOLECULE_FILE" in os.environ else ["*/tests/*"]
