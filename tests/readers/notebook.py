"""Runs in the engines' venv: execute a notebook in the current folder; what its cells printed, as JSON."""

import json
import sys
from pathlib import Path


def main() -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(Path(sys.argv[1]), as_version=4)
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    texts = [output["text"] for output in outputs if output["output_type"] == "stream" and output["name"] == "stdout"]
    pictures = sum("image/png" in output.get("data", {}) for output in outputs)
    print(json.dumps({"printed": "".join(texts), "pictures": pictures}))


if __name__ == "__main__":
    main()
