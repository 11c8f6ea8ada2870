"""What each recipe makes of cells, and why it makes nothing: several numbers at once, floors, ceilings, magics."""

import pytest

from harvester.workers.bucket import BucketMailbox
from harvester.workers.repair import recipes
from harvester.workers.repair.recipes import Patched, patch
from harvester.workers.repair.source import cell_magic, literals, replaced

MISSING = "ModuleNotFoundError: No module named 'yaml'"


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("OOM", "batch_size = 128", "batch_size = 64"),
        ("OOM", "batch_size = 17; x = 3", "batch_size = 8; x = 3"),
        ("OOM", "batch_size = 9", "batch_size = 8"),
        ("OOM", "f(batch_size=1024, TRAIN_BATCH_SIZE=16)\n", "f(batch_size=512, TRAIN_BATCH_SIZE=8)\n"),
        ("OOM", "a = {'batch_size': 256, \"BATCH_SIZE\": 200}", "a = {'batch_size': 128, \"BATCH_SIZE\": 100}"),
        ("OOM", "batch_size: int = 100", "batch_size: int = 50"),
        ("OOM", "\n\n%%time\nbatch_size = 100", "\n\n%%time\nbatch_size = 50"),
        ("CUDA_ERROR", "batch_size = 1_000", "batch_size = 500"),
        ("NAN_LOSS", "lr = 0.001\nLR = 10", "lr = 1.0e-04\nLR = 1.0e+00"),
        ("NAN_LOSS", "lr = 5e-7", "lr = 1.0e-07"),
        ("EXPLODING", "max_grad_norm = 1.0; lr = 1", "max_grad_norm = 0.1; lr = 1"),
        ("EXPLODING", "max_grad_norm = 0.1; lr = 1.0", "max_grad_norm = 0.1; lr = 1.0e-01"),
        ("TIMEOUT", "f(request_timeout=30, REQUEST_TIMEOUT=2.5)", "f(request_timeout=60, REQUEST_TIMEOUT=5)"),
        ("TIMEOUT", "request_timeout = 599", "request_timeout = 600"),
        ("TIMEOUT", "request_timeout = 1; REQUEST_TIMEOUT = 0.5", "request_timeout = 2; REQUEST_TIMEOUT = 1"),
        ("IMPORT", "import yaml", "!pip install -q PyYAML  # Auto-Repair\nimport yaml"),
    ],
)
def test_a_recipe_changes_its_numbers_and_nothing_else(kind: str, before: str, after: str) -> None:
    others = ["%%bash\nbatch_size=128", "y = 1"]
    found = patch(kind, [others[0], before, others[1]], MISSING)

    assert found == Patched([others[0], after, others[1]])


@pytest.mark.parametrize(
    ("kind", "source", "why", "hopeless"),
    [
        ("OOM", "batch_size = 8", "the batch size is at its floor of 8 already", False),
        ("OOM", "x = 128", "no cell gives the batch size a number", False),
        ("OOM", "batch_size = 12.5", "the batch size is at its floor of 8 already", False),
        ("NAN_LOSS", "lr = 1e-7", "the learning rate is at its floor of 1e-07 already", False),
        ("TIMEOUT", "request_timeout = 600", "the timeout is at its ceiling of 600 s already", False),
        ("TIMEOUT", "request_timeout = 0.0", "the timeout is at its ceiling of 600 s already", False),
        ("IMPORT", "%%bash\nls", "no cell can take a line", True),
        ("IMPORT", "!pip install -q PyYAML  # Auto-Repair", "PyYAML is installed by it already", True),
        ("DISK", "batch_size = 128", "for this kind nothing is changed", False),
    ],
)
def test_a_recipe_that_changes_nothing_says_why(kind: str, source: str, why: str, hopeless: bool) -> None:
    assert patch(kind, [source], MISSING) == Patched([source], why, hopeless)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("ModuleNotFoundError: No module named 'mine'", "is not on the list of what may be installed"),
        ("ImportError", "it names no module"),
    ],
)
def test_a_module_that_is_on_no_list_is_not_installed(message: str, why: str) -> None:
    found = patch("IMPORT", ["import mine"], message)
    assert (found.sources, found.hopeless) == (["import mine"], True) and found.why.endswith(why)


def test_a_change_that_does_not_compile_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recipes.RECIPES, "OOM", lambda cells, _: Patched(["x = ("]))
    assert patch("OOM", ["x = 1"], "") == Patched(["x = 1"], "the change does not compile, so it was not made")


def test_a_key_of_any_letters_is_a_name() -> None:
    assert [literal.name for literal in literals("{'X': 5, \"XX\": 6}")] == ["X", "XX"]


def test_numbers_are_replaced_in_their_places_whatever_order_they_are_given_in() -> None:
    source = "a = 1; b = 22; c = 333"
    changes = [(literal, "4444" if number else "") for number, literal in enumerate(literals(source))]

    for order in (changes, changes[::-1], [changes[1], changes[2], changes[0]]):
        assert replaced(source, order) == "a = ; b = 4444; c = 4444"


@pytest.mark.parametrize(
    ("source", "magic"),
    [("%%bash\nls", "%%bash"), ("\n \n%%time -n 3\nx", "%%time"), ("x\n%%bash", ""), ("%time", ""), ("", "")],
)
def test_a_cell_is_of_the_magic_that_it_begins_with(source: str, magic: str) -> None:
    assert cell_magic(source) == magic


@pytest.mark.parametrize(("prefix", "key"), [("", "x"), ("/", "x"), ("a", "a/x"), ("a/", "a/x"), ("/a/b/", "a/b/x")])
def test_a_mailbox_in_a_bucket_is_below_its_prefix_however_that_is_written(prefix: str, key: str) -> None:
    class Client:
        def __init__(self) -> None:
            self.keys: list[str] = []

        def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:
            self.keys.append(Key)

    client = Client()
    BucketMailbox(client, "bucket", prefix).put("x", b"")
    assert client.keys == [key]
