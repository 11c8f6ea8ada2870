"""Notebooks as Jupyter and Colab write them, made by hand."""

import json
from collections.abc import Sequence


def notebook(cells: Sequence[str], *, minor: int = 5, **more: object) -> bytes:
    """A notebook of format 4 with these code cells, and fields that nbformat does not know."""
    made = []
    for number, source in enumerate(cells):
        cell: dict[str, object] = {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {"colab": {"base_uri": "x"}, "id": f"c{number}"},
            "outputs": [],
            "source": source.splitlines(keepends=True),
        }
        if minor >= 5:
            cell["id"] = f"cell-{number}"
        made.append(cell)
    whole = {
        "cells": [
            {
                "cell_type": "markdown",
                "metadata": {},
                "source": ["# batch_size = 64"],
                **({"id": "m"} if minor >= 5 else {}),
            },
            *made,
        ],
        "metadata": {"accelerator": "GPU", "kernelspec": {"name": "python3", "display_name": "Python 3"}, **more},
        "nbformat": 4,
        "nbformat_minor": minor,
    }
    return json.dumps(whole, indent=1).encode() + b"\n"


def sources(data: bytes) -> list[str]:
    """The sources of the code cells."""
    return ["".join(cell["source"]) for cell in json.loads(data)["cells"] if cell["cell_type"] == "code"]
