"""configure: answers become inventory/aws, beside what was edited there; nothing is created in AWS."""

from collections.abc import Mapping
from itertools import chain, count
from pathlib import Path
from types import MappingProxyType

import yaml  # type: ignore[import-untyped]
from jinja2 import Environment, PackageLoader, StrictUndefined

from harvester.base.aws_names import PROJECT, Names
from harvester.base.errors import ConfigError
from harvester.base.files import replace_file
from runbook.aws.optional import LEAVING_OUT
from runbook.aws.questions import QUESTIONS, split
from runbook.aws.session import Account
from runbook.console.asking import Ask, Say, ask_until, read_object
from runbook.console.variables import blocks, differing, merge, read_variables
from runbook.fleet.keys import make_key

AWS_KEY = "alias/aws/ebs"
KEY = Path("~/.ssh/alpha-harvester")
FILES = {"all.yml.j2": "group_vars/all.yml", "aws_ec2.yml.j2": "aws_ec2.yml"}
NOTHING: Mapping[str, str] = MappingProxyType({})


STATED = {
    "aws_account_profile": "profile",
    "aws_account_region": "region",
    "aws_account_environment": "environment",
    "aws_host_symbols": "symbols",
    "broker_app_id": "app_id",
    "aws_watch_email": "email",
    "aws_watch_budget_dollars": "cap_dollars",
    "aws_host_connection": "connection",
    "aws_host_ssh_sources": "source",
    "harvester_count": "hosts",
    "broker_account": "client_id",
    "broker_redirect_uri": "redirect_uri",
}
"""The answer that each variable of the inventory states."""
FOLLOWING = ("aws_account_managed", "aws_account_id", "aws_identity_session_manager", "aws_identity_disk_key")
"""Variables that follow from answers and the account."""


def read_known(inventory: Path) -> dict[str, str]:
    """The answers that an inventory states already; none before the first configure.

    Of symbols that are not tickers alone, as rules are not, none is known: a question cannot ask for them.
    """
    stated = read_variables(inventory / FILES["all.yml.j2"])
    if not stated.get("aws_account_managed"):
        return {}
    known = {answer: stated[name] for name, answer in STATED.items() if stated.get(name) not in (None, 0)}
    lists = {answer: value for answer, value in known.items() if isinstance(value, list)}
    plain = {answer: ",".join(value) for answer, value in lists.items() if all(isinstance(one, str) for one in value)}
    return {answer: str(value) for answer, value in known.items() if answer not in lists} | plain


def ask_all(ask: Ask, say: Say, *, known: Mapping[str, str] | None = None, my_network: str = "") -> dict[str, str]:
    """Ask the questions, each until its answer passes its check; `known` answers are defaults."""
    answers: dict[str, str] = {}
    for question in QUESTIONS:
        if _is_beyond(question.key, known):
            say("The symbols have rules, which a question cannot ask for: they stay as they are.")
            answers[question.key] = ""
            continue
        default = (known or {}).get(question.key) or (my_network if question.key == "source" else question.default)
        if not question.asked:
            say(f"{question.text}: {default}")
            answers[question.key] = default
            continue
        answers[question.key] = ask_until(question.text, default, question.beside(answers), ask, say)
    return answers


def _is_beyond(key: str, known: Mapping[str, str] | None) -> bool:
    """Whether an inventory that is configured states symbols that are not tickers alone."""
    return key == "symbols" and bool(known) and key not in (known or {})


def read_answers(path: Path, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Answers from a JSON file, checked like typed ones; `known` ones need not be repeated.

    ConfigError for what is missing, unknown or refused.
    """
    given, keys = read_object(path), {question.key for question in QUESTIONS}
    if unknown := ", ".join(sorted(set(given) - keys)):
        raise ConfigError(f"{path}: {unknown} is not asked for. The answers are {', '.join(sorted(keys))}.")
    defaults = {question.key: question.default for question in QUESTIONS} | dict(known or {})
    answers = {key: str(given.get(key, default)) for key, default in defaults.items()}
    for question in QUESTIONS:
        if question.key not in given and _is_beyond(question.key, known):
            answers[question.key] = ""
        else:
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
    answers: Mapping[str, str],
    inventory: Path,
    account: str,
    key: Path = KEY,
    *,
    disk_key: str = "",
    left_out: Mapping[str, str] = NOTHING,
) -> list[Path]:
    """Write the inventory's files from checked answers, and make the login key if there is none.

    `account` is the one that the credentials belong to: later runs refuse any other. `disk_key` as `disk_key_of` says.
    Of variables that are there already only those change that answers change; an edited list of hosts is kept as
    aws_ec2.yml.bak, a second one as aws_ec2.yml.bak.2. `left_out` are variables that are 0 in this account, with the
    reason.
    """
    values = {
        **answers,
        "account": account,
        "disk_key": disk_key,
        "project": PROJECT,
        "symbols": split(answers["symbols"]),
        "key": f"{key}.pub",
        "sources": split(answers["source"]) if answers["connection"] == "ssh" else [],
        "tags": Names(answers["environment"]).tags,
        "left_out": left_out,
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
        path, text = inventory / name, templates.get_template(template).render(values)
        if template == "all.yml.j2":
            text = _merged(inventory, text, answers)
        elif path.exists() and path.read_text("utf-8") != text:
            written.append(path.rename(_free(path.with_name(f"{path.name}.bak"))))
        replace_file(path, text)
        written.append(path)
    return written


def _free(path: Path) -> Path:
    """The path, or with the next number where an earlier one was kept."""
    names = chain([path], (path.with_name(f"{path.name}.{number}") for number in count(2)))
    return next(name for name in names if not name.exists())


def _merged(inventory: Path, text: str, answers: Mapping[str, str]) -> str:
    """The variables that are there, with what the answers change."""
    path = inventory / FILES["all.yml.j2"]
    before, after, known = read_variables(path), yaml.safe_load(text), read_known(inventory)
    if not before.get("aws_account_managed"):
        own = (
            {key: block for key, block in blocks(path.read_text("utf-8")).items() if key and key not in after}
            if before
            else {}
        )
        return text + "".join(own.values())
    answered = {name for name, answer in STATED.items() if answers[answer] != known.get(answer, "")}
    unasked = {name for name in ("aws_host_symbols",) if "symbols" not in known and answers["symbols"] == ""}
    left = {name for name in after if name in LEAVING_OUT and after[name] == 0}
    return merge(path.read_text("utf-8"), text, differing(before, after, {*answered, *FOLLOWING, *left} - unasked))


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
        "with your client ID at the broker, the token page at a public address of its own",
        "hosts run on the trading days of the exchange's calendar, from 08:50 until their data is in the bucket: a "
        "function starts them, and tries each minute until they run",
        f"alarms and a dashboard; mail goes to {answers['email']}, which must confirm AWS's first mail",
        f"a budget of {answers['cap_dollars']} US dollars a month, with mails at 50 % and 80 %",
    ]
