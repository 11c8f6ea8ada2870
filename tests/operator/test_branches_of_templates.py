"""When a template of a host has which part: each condition, in states where the part is there and where it is not.

What the parts say is in the golden lists (tests/golden), which have few of these states.
"""

import re
from typing import Any

import pytest
from ansible.template import Templar, trust_as_template
from conditions import LOADER, ROOT, Given, known_of
from tests.operator.test_conditions_of_roles import ON_HOSTS

BRANCH = re.compile(r"\{%-? *(?:el)?if (.*?) *-?%\}\n(?=(.*))")
INLINE = re.compile(r"\{\{-? *([^{}]* if [^{}]*?) *-?\}\}")


def settings(**stated: Any) -> dict[str, Any]:
    return {"harvester_settings": stated}


def deliver(*deliveries: dict[str, Any]) -> dict[str, Any]:
    return settings(deliveries=[*deliveries])


def job(**sandbox: bool) -> dict[str, Any]:
    plain = dict.fromkeys(("network", "privileged", "processes", "home"), False)
    return {"item": {"job": {"sandbox": plain | sandbox}}}


FEED = {"kind": "price-feed", "place": "s3://bucket/box"}
BY_SSM, BY_FILE = ({"kind": "postgres", "place": place} for place in ("ssm:/a/dsn", "file:/var/lib/harvester-rows/dsn"))
READS_CHANNELS = ([settings(alerts={"channels": "ssm:/a"})], [settings(alerts={"channels": "file:/a"}), settings()])
READS_DSN = (
    [deliver(BY_SSM), deliver(FEED, BY_FILE, BY_SSM)],
    [deliver(BY_FILE), deliver(FEED), settings(), settings(deliveries=None)],
)
REACHES_OUT = ([job(network=True), job(privileged=True)], [job(), job(home=True), job(processes=True)])
IN_AWS = [{"overseer_settings": {"workers": [{"mailbox": "s3://a/b"}]}, "rclone_secrets": {}}]
AT_HOME = [{"overseer_settings": {"workers": [{"mailbox": "/srv/box"}]}, "rclone_secrets": {}}]
BRANCHES: dict[tuple[str, str], tuple[Given, Given]] = {
    ("application/application.service.j2", "# A failure leaves the variables of before"): (
        [{"application_env_place": "ssm:/a"}],
        [{"application_env_place": ""}],
    ),
    ("application/application.service.j2", "# A start is one when the application says"): (
        [{"application_health": "http://127.0.0.1:8000/health"}],
        [{"application_health": ""}],
    ),
    ("harvester/firewall.nft.j2", "# The alerts read their channels"): READS_CHANNELS,
    ("harvester/firewall.nft.j2", "# Deliveries reach their places"): (
        [deliver(FEED), deliver(BY_FILE, FEED)],
        [deliver(BY_SSM), settings(), settings(deliveries=None)],
    ),
    ("harvester/firewall.nft.j2", "{% if __harvester_database_in_ssm %}"): (
        [deliver(BY_SSM), deliver(FEED, BY_FILE)],
        [deliver(FEED), settings(), settings(deliveries=None)],
    ),
    ("harvester/firewall.nft.j2", "# The rows' user reads the DSN"): READS_DSN,
    ("harvester/firewall.nft.j2", "ip daddr 169.254.169.254 accept"): READS_DSN,
    ("harvester/harvester-alert.service.j2", "# Where host_hardening is not in force"): READS_CHANNELS,
    ("harvester/harvester-remind.service.j2", "ExecStartPre=-+/usr/sbin/nft add element"): READS_CHANNELS,
    ("harvester/harvester-upload.service.j2", "Environment=HARVESTER_JOB=upload"): (
        [{"item": {}}, {"item": {"arguments": ""}}],
        [{"item": {"arguments": " --attest"}}],
    ),
    ("harvester/harvester.sh.j2", "# As the units have it."): (
        [{"environments": {"upload": {}, "deliver": {"A": "b"}}}, {"environments": {"upload": {"A": "b"}}}],
        [{"environments": {"upload": {}, "deliver": {}}}],
    ),
    ("host_hardening/nftables.conf.j2", "elements = { {{ __sources4"): (
        [{"__sources4": ["203.0.113.7/32"]}],
        [{"__sources4": []}],
    ),
    ("host_hardening/nftables.conf.j2", "elements = { {{ __sources6"): (
        [{"__sources6": ["2001:db8::/64"]}],
        [{"__sources6": []}],
    ),
    ("host_hardening/sshd.conf.j2", "# To these ports of the host's own loopback"): (
        [{"host_hardening_ssh_local_ports": [8000]}],
        [{"host_hardening_ssh_local_ports": []}],
    ),
    ("jobs/harvester-job.service.j2", "Wants=network-online.target"): REACHES_OUT,
    ("jobs/harvester-job.service.j2", "# What follows of a sandbox"): (
        [job(privileged=True)],
        [job(), job(network=True)],
    ),
    ("jobs/harvester-job.service.j2", "{{ lookup('ansible.builtin.template', __jobs_sandbox ~ '/online.j2')"): (
        REACHES_OUT
    ),
    ("jobs/harvester-job.service.j2", "ProtectProc=default"): (
        [job(processes=True)],
        [job(), job(network=True, privileged=True, home=True)],
    ),
    ("jobs/harvester-job.service.j2", "ProtectHome=read-only"): (
        [job(home=True)],
        [job(), job(network=True, privileged=True, processes=True)],
    ),
    ("jobs/harvester-job.timer.j2", "# Each time at which it can be due"): (
        [{"item": {"job": {"asks": True}}}],
        [{"item": {"job": {"asks": False}}}],
    ),
    ("overseer/harvester-workers.service.j2", "# Where host_hardening is not in force"): (IN_AWS, AT_HOME),
    ("overseer/harvester-workers.service.j2", "# The credentials of the machine are not for it"): (AT_HOME, IN_AWS),
}
"""By template and begin of a part: states in which it is there, and in which it is not."""
PORTS = {"harvester_rows_ports": [5432, 6543]}
EXPRESSIONS: dict[tuple[str, str], list[tuple[dict[str, Any], Any]]] = {
    ("harvester/firewall.nft.j2", "([53] + harvester_rows_ports"): [
        (PORTS | deliver(BY_SSM), "53, 5432, 6543, 443"),
        (PORTS | deliver(BY_FILE), "53, 5432, 6543"),
    ],
    ("jobs/harvester-job.service.j2", "'+' if"): [(job(privileged=True), "+"), (job(network=True), "")],
    ("jobs/harvester-job.service.j2", "' --if-due' if"): [
        ({"item": {"job": {"asks": True}}}, " --if-due"),
        ({"item": {"job": {"asks": False}}}, ""),
    ],
}
"""The same of expressions that have a condition in themselves, with what they give."""
TEXTS = {
    f"{path.parts[-3]}/{path.name}": path.read_text("utf-8")
    for role in (*ON_HOSTS, "harvester")
    for path in sorted(ROOT.glob(f"roles/{role}/templates/*.j2"))
}


def templar(template: str, given: dict[str, Any]) -> Templar:
    return Templar(LOADER, known_of(f"{template.partition('/')[0]}/main.yml") | {"ansible_loop_var": "item"} | given)


def branches() -> list[tuple[str, str, str]]:
    """Template, condition and the first line of the part."""
    return [(name, found[1], found[2].strip()) for name, text in TEXTS.items() for found in BRANCH.finditer(text)]


def find(template: str, begin: str) -> str:
    [condition] = [found for name, found, line in branches() if name == template and line.startswith(begin)]
    return condition


def test_every_condition_of_a_template_is_in_the_table() -> None:
    listed = sorted((template, find(template, begin)) for template, begin in BRANCHES)
    inline = [(name, text) for name, found in TEXTS.items() for text in INLINE.findall(found)]
    begun = [sum(each[0] == name and each[1].startswith(begin) for each in inline) for name, begin in EXPRESSIONS]

    assert listed == sorted((name, condition) for name, condition, _ in branches())
    assert (begun, len(inline)) == ([1] * len(EXPRESSIONS), len(EXPRESSIONS))


@pytest.mark.parametrize(("template", "begin"), BRANCHES)
def test_a_part_of_a_template_is_there_where_it_must_be_and_nowhere_else(template: str, begin: str) -> None:
    part = trust_as_template(f"{{{{ true if ({find(template, begin)}) else false }}}}")
    there, left_out = BRANCHES[template, begin]

    assert [given for given in there if not templar(template, given).template(part)] == []
    assert [given for given in left_out if templar(template, given).template(part)] == []


@pytest.mark.parametrize(("template", "begin"), EXPRESSIONS)
def test_an_expression_with_a_condition_gives_what_it_must(template: str, begin: str) -> None:
    [expression] = [text for text in INLINE.findall(TEXTS[template]) if text.startswith(begin)]
    cases = EXPRESSIONS[template, begin]

    text = trust_as_template(f"<{{{{ {expression} }}}}>")
    assert [templar(template, given).template(text) for given, _ in cases] == [f"<{expected}>" for _, expected in cases]
