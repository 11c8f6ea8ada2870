"""The operator's outputs: what an environment in AWS has, by the names that scripts need; nothing is changed."""

from typing import Any

from harvester.base.aws_names import FUNCTIONS, LAKE_PREFIX, SECRETS
from runbook.aws import glue
from runbook.aws.account import find_instances, find_parameters
from runbook.aws.environment import Environment
from runbook.aws.functions import DOOR, ETL, PAGE
from runbook.aws.outcome import pages
from runbook.aws.price_feed import PLACE


def read_outputs(here: Environment, account: str, partition: str = "aws") -> dict[str, Any]:
    """What is there now, the same keys each time: None or nothing within where site.yml did not make it.

    Of secrets the names of their parameters, and no value.
    """
    names, clients = here.names, here.account
    bucket = _bucket(clients.client("s3"), names.bucket(account))
    functions = _functions(here)
    return {
        "environment": names.stem,
        "account": account,
        "region": names.region,
        "bucket": bucket,
        "lake": bucket and f"s3://{bucket}/{LAKE_PREFIX}",
        "functions": functions,
        "price_feed": _price_feed(here, bucket) if ETL in functions else None,
        "token_page": _url(here, PAGE) if PAGE in functions else None,
        "worker_door": _url(here, DOOR) if DOOR in functions else None,
        "topic": _topic(clients.client("sns"), f"arn:{partition}:sns:{names.region}:{account}:{names.topic}"),
        "hosts": [
            {key: host[key] for key in ("name", "id", "state", "type", "address")}
            for host in find_instances(clients.client("ec2"), names)
        ],
        "database": names.database,
        "tables": _tables(clients.client("glue"), names.database),
        "parameters": _parameters(here),
    }


def _bucket(s3: Any, name: str) -> str | None:
    try:
        s3.list_objects_v2(Bucket=name, Prefix=LAKE_PREFIX, MaxKeys=1)
    except s3.exceptions.NoSuchBucket:
        return None
    return name


def _price_feed(here: Environment, bucket: str | None) -> str | None:
    """Where the functions bring it."""
    return bucket and f"s3://{bucket}/{here.variables[PLACE]}"


def _functions(here: Environment) -> dict[str, str]:
    """ARNs by what they do, such as dead-man."""
    listed = pages(here.account.client("lambda"), "list_functions", "Functions")
    arns = {function["FunctionName"]: str(function["FunctionArn"]) for function in listed}
    return {one: arns[name] for one in FUNCTIONS if (name := here.names.function(one)) in arns}


def _url(here: Environment, function: str) -> str | None:
    client = here.account.client("lambda")
    try:
        return str(client.get_function_url_config(FunctionName=here.names.function(function))["FunctionUrl"])
    except client.exceptions.ResourceNotFoundException:
        return None


def _topic(sns: Any, arn: str) -> str | None:
    try:
        sns.get_topic_attributes(TopicArn=arn)
    except sns.exceptions.NotFoundException:
        return None
    return arn


def _tables(client: Any, database: str) -> list[str]:
    return sorted(glue.read_tables(client, database)) if glue.database_exists(client, database) else []


def _parameters(here: Environment) -> dict[str, str]:
    """The parameter of each secret that is stored in SSM, by what it is."""
    stored = find_parameters(here.account.client("ssm"), here.names.parameter_prefix)
    return {secret: name for secret in SECRETS if (name := here.names.parameter(secret)) in stored}
