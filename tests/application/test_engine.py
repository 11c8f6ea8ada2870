"""The role container_engine: where Compose of version 2 is not to be had, it refuses in a sentence."""

import pytest
import yaml
from tests.application.conditions import find, holds, render
from tests.application.project import ROOT

ASSERT = "ansible.builtin.assert"
REFUSE = find("container_engine", "preflight.yml", "Preflight | Refuse a distribution without Compose v2")
OLDEST = yaml.safe_load((ROOT / "roles/container_engine/vars/main.yml").read_text("utf-8"))["__container_engine_oldest"]


def host(distribution: str, version: str, packages: tuple[str, ...] = ()) -> dict[str, object]:
    facts = {"distribution": distribution, "distribution_major_version": version}
    return {
        "ansible_facts": facts,
        "__container_engine_oldest": OLDEST,
        "container_engine_packages": [*packages],
        "inventory_hostname": "h1",
    }


@pytest.mark.parametrize(
    ("distribution", "version", "fits"),
    [
        ("Debian", "12", False),
        ("Debian", "13", True),
        ("Ubuntu", "22", False),
        ("Ubuntu", "24", True),
        ("Fedora", "41", False),
    ],
)
def test_what_has_no_compose_of_version_2_is_refused(distribution: str, version: str, fits: bool) -> None:
    assert holds(REFUSE[ASSERT]["that"], **host(distribution, version)) is fits
    assert holds(REFUSE[ASSERT]["that"], **host(distribution, version, ("docker-ce",))), "a person named packages"


def test_debian_12_is_refused_in_a_sentence_that_says_what_to_do() -> None:
    said = render(REFUSE[ASSERT]["fail_msg"], **host("Debian", "12"))

    assert "Debian 12 on h1 has no Docker Compose of version 2 (Debian 12 has 1.29" in said
    assert "make the host anew with one of these, or take the application out of its inventory." in said
