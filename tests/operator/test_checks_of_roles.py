"""What the roles and playbooks hide, what they ask in a check, and in which order they remove, by complete lists."""

import pytest
from ansible.template import Templar, trust_as_template
from conditions import ALL, LOADER, find, known_of, name_of, tasks_of

HIDDEN = {
    ("playbooks/token_push.yml", "Bring the token"): {"no_log", "diff"},
    ("application/preflight.yml", "Compare its variables with those that are there"): {"no_log", "diff"},
    ("application/take_back.yml", "Put back the variables of before"): {"no_log", "diff"},
    ("application/write.yml", "Bring the variables, or have an empty file where it needs none"): {"no_log", "diff"},
    ("application/write.yml", "Keep the variables of before, in case that what comes does not become well"): {
        "no_log",
        "diff",
    },
    ("database_backup/write.yml", "Bring the password"): {"no_log", "diff"},
    # Shown by the step before it; the file in force holds no secret.
    ("harvester/config.yml", "Write the configuration, which the release must accept"): {"diff"},
    ("overseer/write.yml", "Bring the tokens of the door"): {"no_log", "diff"},
    # What it writes holds none, and the file beside it does.
    ("rclone/remotes.yml", "Write what the inventory says of them"): {"diff"},
}
"""What is kept out of the terminal: a secret's content, or a file that holds one."""
NOT_ASKED = {
    ("playbooks/notify_test.yml", "Open them for the alerts' user, where there is a firewall of ours"): "sends nothing",
    ("playbooks/notify_test.yml", "Send a test message as the user who sends the others"): "sends nothing",
    ("playbooks/close.yml", "Read what it said"): "closes nothing",
    ("playbooks/token_undo.yml", "Go back"): "changes the token",
    ("application/remove.yml", "Take away the containers that a power cut left"): "removes them",
    ("application/schema.yml", "Apply it once"): "applies it",
    ("application/write.yml", "Have the host read the variables from their store"): "writes them",
    ("database_backup/write.yml", "Have the host read the password from its store"): "writes it",
    ("harvester/activate.yml", "Read what the services said"): "a check activates nothing that could fail",
    ("lab_host/create.yml", "Boot the hosts"): "boots them",
    ("lab_host/destroy.yml", "Remove the lab"): "removes it",
}
"""Commands whose answer a later task goes by, and that a check leaves out: why."""
DONE = {
    ("playbooks/cleanup.yml", "Bring the receipt to the host"): "the plan is made by it",
    ("playbooks/cleanup.yml", "Look what is in the bucket now"): "the plan is made by it",
}
"""What a check does on a host all the same, besides asking: why."""


def test_no_secret_is_shown_by_a_run_or_a_check() -> None:
    found = {
        (file, name_of(task)): {key for key in ("no_log", "diff") if task.get(key) is (key == "no_log")}
        for file in ALL
        for task in tasks_of(file)
        if task.get("no_log") is True or task.get("diff") is False
    }

    assert found == HIDDEN


def test_what_a_later_task_goes_by_is_asked_in_a_check_too() -> None:
    """A check that does not ask goes by an empty answer: it says that something changes, or lets through a refusal."""
    found = {
        (file, name_of(task))
        for file in ALL
        for task in tasks_of(file)
        if {"ansible.builtin.command", "ansible.builtin.shell"} & {*task} and "register" in task
        if task.get("check_mode") is not False and "ansible_check_mode" not in str(task["conditions"])
    }

    assert found == {*NOT_ASKED}


def test_a_rescue_removes_nothing_but_what_its_block_has_brought() -> None:
    """What was there before, such as the token in force, is not for it."""
    brought, removed = {}, {}
    for file in ALL:
        for block in (task for task in tasks_of(file) if "rescue" in task):
            made = [
                next((task[each] for each in task if each.startswith("ansible.builtin.")), {})
                for task in block["block"]
            ]
            brought[file] = {each.get("dest") or each.get("path") for each in made if isinstance(each, dict)}
            gone = [task.get("ansible.builtin.file", {}) for task in block["rescue"]]
            removed[file] = {each["path"] for each in gone if each.get("state") == "absent"}

    assert {file: paths for file, paths in removed.items() if not paths <= brought[file]} == {}
    assert sum(map(len, removed.values())) >= 2


@pytest.mark.parametrize("where", ["overseer_settings", "rclone_secrets"])
@pytest.mark.parametrize(
    ("place", "is_in_aws"),
    [
        *((f"{store}:/a/b", True) for store in ("ssm", "secret")),
        ("s3://bucket/box", True),
        *((place, False) for place in ("file:/a/b", "/srv/box", "drive:box", "s3:box")),
    ],
)
def test_who_watches_reaches_the_machines_credentials_where_anything_of_it_is_in_aws(
    place: str, is_in_aws: bool, where: str
) -> None:
    given = {"overseer_settings": {}, "rclone_secrets": {}} | {where: {"deep": [{"inside": place}]}}

    found = Templar(LOADER, known_of("overseer/run.yml") | given).evaluate_conditional(
        trust_as_template("__overseer_in_aws")
    )

    assert found == is_in_aws


def test_what_starts_docker_at_a_call_is_stopped_before_docker() -> None:
    assert find("container_engine/remove.yml", "Stop Docker")["loop"] == ["docker.socket", "docker.service"]


def test_a_check_does_nothing_but_ask() -> None:
    """Apart from what its answer rests on."""
    asking = {"command", "shell", "stat", "slurp", "ec2_vpc_endpoint_info", "ec2_vpc_route_table_info", "aws_look"}
    found = {
        (file, name_of(task))
        for file in ALL
        for task in tasks_of(file)
        if task.get("check_mode") is False and not asking & {each.rpartition(".")[2] for each in task}
    }

    assert found == {*DONE}
