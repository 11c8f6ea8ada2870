"""Commands are read out of sentences as a person reads them."""

import pytest
from tests.sre.remedies import Step, read_steps


@pytest.mark.parametrize(
    ("fix", "steps"),
    [
        ("./inv deploy", [Step("./inv deploy")]),
        ("Log in and push a new token: ./inv token-push.", [Step("./inv token-push")]),
        (
            "On the host: sudo systemctl restart chrony; then chronyc sources shows which time servers it hears",
            [Step("sudo systemctl restart chrony", on_host=True), Step("chronyc sources", on_host=True)],
        ),
        (
            "See why: ./inv logs --unit harvester-upload; when that is cured, on the host:"
            " sudo systemctl start harvester-upload",
            [Step("./inv logs --unit harvester-upload"), Step("sudo systemctl start harvester-upload", on_host=True)],
        ),
        (
            "On the host: sudo systemctl restart nftables; where that fails: ansible-playbook site.yml",
            [
                Step("sudo systemctl restart nftables", on_host=True),
                Step("ansible-playbook site.yml", if_failed=True),
            ],
        ),
        (
            "The recorder hangs or has ended: ./inv logs, then ./inv restart.",
            [Step("./inv logs"), Step("./inv restart")],
        ),
        ("Was the harvester deployed there? `./inv deploy` does it.", [Step("./inv deploy")]),
        ("The broker has trouble; recording goes on by itself.", []),
    ],
)
def test_the_commands_of_a_remedy(fix: str, steps: list[Step]) -> None:
    assert list(read_steps(fix)) == steps
