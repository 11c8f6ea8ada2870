"""What following a remedy needs: lakes to pull, a laptop's store, an `ssh` that ends here; no account in AWS."""

import pytest
from tests.operator.conftest import control, make_lake, store  # noqa: F401
from tests.operator.pull.conftest import ssh  # noqa: F401


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
