"""configure: ten answers become inventory/aws; what that will create is said before anything is created."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from harvester.base.aws_names import PROJECT, Names
from harvester.base.errors import ConfigError
from harvester.base.files import replace_file
from runbook.aws.questions import QUESTIONS, split
from runbook.aws.session import Account
from runbook.fleet.keys import make_key

AWS_KEY = "alias/aws/ebs"
KEY = Path("~/.ssh/alpha-harvester")
FILES = {"all.yml.j2": "group_vars/all.yml", "aws_ec2.yml.j2": "aws_ec2.yml"}
Ask = Callable[[str, str], str]
Say = Callable[[str], None]


def ask_all(ask: Ask, say: Say, *, known: Mapping[str, str] | None = None, my_network: str = "") -> dict[str, str]:
    """Ask the ten questions, each until its answer passes its check; `known` answers are defaults."""
    answers: dict[str, str] = {}
    for question in QUESTIONS:
        default = (known or {}).get(question.key) or (my_network if question.key == "source" else question.default)
        while True:
            answers[question.key] = ask(question.text, default).strip()
            try:
                question.check(answers[question.key], answers)
                break
            except ConfigError as error:
                say(str(error))
    return answers


def read_answers(path: Path) -> dict[str, str]:
    """Answers from a JSON file, checked like typed ones. ConfigError for what is missing, unknown or refused."""
    try:
        given = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}). Correct --answers.") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}. Write the answers as one JSON object.") from None
    keys = {question.key for question in QUESTIONS}
    if not isinstance(given, dict) or set(given) - keys:
        unknown = ", ".join(sorted(set(given) - keys)) if isinstance(given, dict) else "its form"
        raise ConfigError(f"{path}: {unknown} is not asked for. The answers are {', '.join(sorted(keys))}.")
    answers = {question.key: str(given.get(question.key, question.default)) for question in QUESTIONS}
    for question in QUESTIONS:
        question.check(answers[question.key], answers)
    return answers


def account_of(answers: Mapping[str, str]) -> str:
    """The account that the credentials belong to."""
    account = Account(region=answers["region"], profile=answers["profile"] or None)
    return str(account.client("sts").get_caller_identity()["Account"])


def disk_key_of(answers: Mapping[str, str]) -> str:
    """The ARN of the account's own default key for disks in the region; empty where that is AWS's key.

    A host under a key of the account starts only for who may grant the use of it.
    """
    account = Account(region=answers["region"], profile=answers["profile"] or None)
    found = str(account.client("ec2").get_ebs_default_kms_key_id()["KmsKeyId"])
    return "" if found.endswith(AWS_KEY) else found


def write(
    answers: Mapping[str, str], inventory: Path, account: str, key: Path = KEY, *, disk_key: str = ""
) -> list[Path]:
    """Write the inventory's files from checked answers, and make the login key if there is none.

    `account` is the one that the credentials belong to: later runs refuse any other. `disk_key` as `disk_key_of` says.
    """
    values = {
        **answers,
        "account": account,
        "disk_key": disk_key,
        "project": PROJECT,
        "symbols": split(answers["symbols"]),
        "key": f"{key}.pub",
        "sources": [answers["source"]] if answers["connection"] == "ssh" else [],
        "tags": Names(answers["environment"]).tags,
    }
    private = key.expanduser()
    if not private.exists():
        private.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_key(private, "alpha-harvester")
    templates = Environment(  # noqa: S701  # YAML, every value through tojson
        loader=PackageLoader("runbook.aws"), undefined=StrictUndefined, keep_trailing_newline=True
    )
    written = []
    for template, name in FILES.items():
        path = inventory / name
        replace_file(path, templates.get_template(template).render(values))
        written.append(path)
    return written


def explain_plan(answers: Mapping[str, str]) -> list[str]:
    """What provisioning will create, in words."""
    names, hosts = Names(answers["environment"], region=answers["region"]), int(answers["hosts"])
    way = f"port 22 open to {answers['source']}" if answers["connection"] == "ssh" else "no open port, Session Manager"
    return [
        f"{hosts} host{'s' if hosts > 1 else ''} {names.host(1)}{' and so on' if hosts > 1 else ''}: Ubuntu 24.04 on "
        f"t3.micro, encrypted disk, an address of its own, {way}",
        "one bucket, encrypted, versioned, closed to the public; the lake is copied there",
        "roles with the rights that host, functions, scheduler and operator need, and no others",
        "functions: a dead-man's check every minute, the evening's snapshot and stop, reminders of the daily login; "
        "with broker_account in the inventory, the token page at a public address of its own",
        "hosts run on the trading days of the exchange's calendar, from 08:50 until their data is in the bucket: a "
        "function starts them, and tries each minute until they run",
        f"alarms and a dashboard; mail goes to {answers['email']}, which must confirm AWS's first mail",
        f"a budget of {answers['cap_dollars']} US dollars a month, with mails at 50 % and 80 %",
    ]
