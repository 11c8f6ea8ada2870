"""Links to the token page and what was used of them: what is signed, what a limit counts, what a store is asked."""

import base64
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from harvester.base.clock import NS_PER_SECOND
from harvester.base.redaction import Secret
from harvester.page.links import LINK_SECONDS, STATE_SECONDS, LinkError, LinkSigner, LoginLink
from harvester.page.once import Budget, FolderOnce, SsmOnce
from harvester.page.service import link_address
from harvester.tokens.stores import StoreError

NOW = 1_795_000_000 * NS_PER_SECOND
SIGNER = LinkSigner(Secret("k" * 32), "test")
OTHER = "This link is not one of ours, or not whole. Open it from the message, as it is there."


def opened(signer: LinkSigner, text: str, now_ns: int = NOW) -> str:
    """Why a link does not count; empty: it does."""
    try:
        signer.read_link(text, now_ns)
    except LinkError as error:
        return str(error)
    return ""


def test_a_link_is_good_for_eight_hours_in_its_environment_by_its_key() -> None:
    link = SIGNER.make_link(NOW)
    ends = NOW + 8 * 3600 * NS_PER_SECOND

    assert SIGNER.read_link(link, NOW).ends_ns == ends
    assert [opened(SIGNER, link, ends - 1), opened(SIGNER, link, ends)] == [
        "", "This link has expired. The next message has a new one."
    ]  # fmt: skip
    assert opened(LinkSigner(Secret("k" * 32), "prod"), link) == "This link belongs to another environment."
    assert opened(LinkSigner(Secret("l" * 32), "test"), link) == OTHER
    assert [opened(SIGNER, text) for text in (link + "x", link[:-1], "", "a.b")] == [OTHER] * 4
    assert len({SIGNER.read_link(SIGNER.make_link(NOW), NOW).id for _ in range(3)}) == 3
    assert len(SIGNER.read_link(link, NOW).id) == 16


def test_a_link_is_as_short_as_its_content_can_be_written() -> None:
    """It is read from a message on a telephone."""
    link = SIGNER.make_link(NOW)
    payload, _, signature = link.partition(".")
    name = SIGNER.read_link(link, NOW).id
    text = f'{{"i":"{name}","e":{NOW // NS_PER_SECOND + LINK_SECONDS},"a":"test"}}'

    assert payload == base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    assert len(signature) == 43


def test_the_state_of_a_login_is_of_one_browser_for_ten_minutes_and_never_longer_than_its_link() -> None:
    link = LoginLink("ab" * 8, NOW + 700 * NS_PER_SECOND)
    text = SIGNER.make_state(link, "cookie", NOW)
    state = SIGNER.read_state(text, "cookie", NOW)

    assert (state.link, state.ends_ns) == (link.id, NOW + STATE_SECONDS * NS_PER_SECOND)
    late = SIGNER.make_state(link, "cookie", NOW + 200 * NS_PER_SECOND)
    assert SIGNER.read_state(late, "cookie", NOW).ends_ns == link.ends_ns
    with pytest.raises(
        LinkError, match=r"^This login was begun in another browser\. Open the link of the message again"
    ):
        SIGNER.read_state(text, "another", NOW)
    assert SIGNER.read_state(text, "cookie", state.ends_ns - 1) == state
    with pytest.raises(LinkError, match=r"^This login took too long\. Open the link of the message again\.$"):
        SIGNER.read_state(text, "cookie", state.ends_ns)
    with pytest.raises(LinkError, match="not one of ours"):
        SIGNER.read_state(SIGNER.make_link(NOW), "cookie", NOW)


def test_a_key_has_32_characters_at_least() -> None:
    LinkSigner(Secret("k" * 32), "test")
    said = r"^The key of the token page has 31 characters and must have 32\. Make one with `openssl rand -hex 32` and"
    with pytest.raises(LinkError, match=said + r" store it: \./inv secret-put --name page-key\.$"):
        LinkSigner(Secret("k" * 31), "test")


def test_an_address_has_a_minutes_requests_which_come_back_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr("harvester.page.once.time.monotonic", lambda: now[0])
    budget = Budget(per_minute=20)

    assert [budget.allows("a") for _ in range(21)] == [True] * 20 + [False]
    assert budget.allows("b")
    now[0] += 2.9
    assert not budget.allows("a")
    now[0] += 0.2
    assert [budget.allows("a") for _ in range(2)] == [True, False]
    now[0] += 600
    assert [budget.allows("a") for _ in range(21)] == [True] * 20 + [False]


def test_of_too_many_addresses_the_one_that_was_seen_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harvester.page.once.time.monotonic", lambda: 1_000.0)
    monkeypatch.setattr(Budget, "MOST", 2)
    budget = Budget(per_minute=1)

    assert [budget.allows(each) for each in ("a", "b", "a", "c", "a", "b")] == [True, True, False, True, False, True]


def test_what_was_used_lies_in_a_folder_of_the_pages_own_until_its_end(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "used"
    once = FolderOnce(folder)
    FolderOnce(folder)
    assert folder.stat().st_mode & 0o777 == 0o700

    assert [once.claim("link-a", NOW), once.claim("link-a", NOW), once.claim("link-b", NOW + NS_PER_SECOND)] == [
        True, False, True
    ]  # fmt: skip
    assert (folder / "link-a").read_text("ascii") == "1795000000"
    assert (folder / "link-a").stat().st_mode & 0o777 == 0o600
    (folder / "odd").write_text("not a number")
    once.tidy(NOW)
    assert once.is_claimed("link-a"), "its end is now, and has not passed"
    once.tidy(NOW + 1)
    assert [once.is_claimed(name) for name in ("link-a", "link-b")] == [False, True]
    once.release("link-b")
    once.release("link-b")
    assert not once.is_claimed("link-b")


class Parameters:
    """SSM's parameters, as PutParameter, GetParameter, DeleteParameter and GetParametersByPath have them."""

    class exceptions:
        ParameterAlreadyExists = type("ParameterAlreadyExists", (Exception,), {})
        ParameterNotFound = type("ParameterNotFound", (Exception,), {})

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.trouble: Exception | None = None

    def put_parameter(self, *, Name: str, Value: str, Type: str, Overwrite: bool) -> dict[str, Any]:
        assert (Type, Overwrite) == ("String", False)
        if self.trouble:
            raise self.trouble
        if Name in self.kept:
            raise self.exceptions.ParameterAlreadyExists
        self.kept[Name] = Value
        return {"Version": 1}

    def get_parameter(self, *, Name: str) -> dict[str, Any]:
        if Name not in self.kept:
            raise self.exceptions.ParameterNotFound
        return {"Parameter": {"Name": Name, "Value": self.kept[Name]}}

    def delete_parameter(self, *, Name: str) -> dict[str, Any]:
        if Name not in self.kept:
            raise self.exceptions.ParameterNotFound
        del self.kept[Name]
        return {}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "get_parameters_by_path"
        return SimpleNamespace(paginate=self._pages)

    def _pages(self, *, Path: str) -> list[dict[str, Any]]:
        """An empty page before one of the others, as SSM has at times."""
        rows = [{"Name": name, "Value": value} for name, value in self.kept.items() if name.startswith(Path)]
        return [{"Parameters": rows[:1]}, {"Parameters": []}, {"Parameters": rows[1:]}]


def test_what_was_used_is_a_parameter_below_the_pages_path_until_its_end() -> None:
    client = Parameters()
    client.kept["/other/link-x"] = "0.0"
    once = SsmOnce("/h/used/", client=client)

    assert [once.claim("link-a", NOW), once.claim("link-a", NOW), once.claim("link-b", NOW + NS_PER_SECOND)] == [
        True, False, True
    ]  # fmt: skip
    seconds, _, chance = client.kept["/h/used/link-a"].partition(".")
    assert (seconds, len(chance)) == ("1795000000", 16)
    assert once.is_claimed("link-a") and not once.is_claimed("link-c")
    once.tidy(NOW)
    assert once.is_claimed("link-a")
    once.tidy(NOW + 1)
    assert list(client.kept) == ["/other/link-x", "/h/used/link-b"]
    once.release("link-b")
    once.release("link-b")
    assert not once.is_claimed("link-b")


def test_where_ssm_says_nothing_a_link_does_not_count_as_unused() -> None:
    client = Parameters()
    client.trouble = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "PutParameter")

    with pytest.raises(StoreError, match=r"^SSM does not say whether this link was used: .*slow"):
        SsmOnce("/h/used/", client=client).claim("link-a", NOW)


def test_the_address_of_a_message_has_one_slash_before_its_path() -> None:
    for url in ("https://page.example", "https://page.example/"):
        address, _, link = link_address(url, SIGNER, NOW).partition("?l=")
        assert (address, opened(SIGNER, link)) == ("https://page.example/login", "")
    assert LINK_SECONDS == 28_800
