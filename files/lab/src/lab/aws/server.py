"""moto's server with what it lacks: the vendor's image and its public parameter, bucket policies judged in full, the
subscribers of budgets, the default key for disks, databases of Glue that take their tags with them, Elastic IPs under
AWS's name of that type, metadata options that a change of others leaves alone, consoles that print host keys,
Access Analyzer, and on demand AWS's latencies and instances that are hosts of a lab.

Started as `python -m lab.aws.server --host ADDRESS --port PORT`. State is in memory only.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from lab.aws.analyzer import PATH, Analyzers
from lab.aws.console import console_output, show_keys_of
from lab.aws.delays import LATENCIES, Waits, add_delays, let_functions_settle, let_roles_spread
from lab.aws.machines import MACHINES, Machines, boot_instances
from lab.aws.policies import Call, Decision, evaluate

REGION = "ap-south-1"
ACCOUNT = "123456789012"
AWS_DISK_KEY = "alias/aws/ebs"
IMAGE = "ami-0a1b2c3d4e5f60718"
# https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/
IMAGE_PARAMETER = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
IMAGE_NAME = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260901"
# Without these moto refuses AWS's own policies and lets through images and key pairs that do not exist.
SETTINGS = {
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    "MOTO_ENABLE_AMI_VALIDATION": "1",
    "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "1",
    "MOTO_ENABLE_KEYPAIR_VALIDATION": "1",
}


def image() -> dict[str, Any]:
    """The vendor's image in the form of moto's list of images."""
    return {
        "ami_id": IMAGE,
        "state": "available",
        "public": True,
        "owner_id": "099720109477",
        "image_location": f"amazon/{IMAGE_NAME}",
        "sriov": "simple",
        "root_device_type": "ebs",
        "root_device_name": "/dev/sda1",
        "description": "Canonical, Ubuntu, 24.04, amd64 noble image",
        "image_type": "machine",
        "architecture": "x86_64",
        "name": IMAGE_NAME,
        "virtualization_type": "hvm",
        "hypervisor": "xen",
        "creation_date": "2026-09-01T00:00:00.000Z",
    }


def add_image_parameter() -> None:
    """The vendor's public parameter, which moto lets nobody put."""
    from moto.core.utils import utcnow
    from moto.ssm.models import Parameter, ssm_backends

    backend = ssm_backends[ACCOUNT][REGION]
    backend._parameters[IMAGE_PARAMETER].append(
        Parameter(  # type: ignore[abstract]
            account_id=ACCOUNT,
            name=IMAGE_PARAMETER,
            value=IMAGE,
            parameter_type="String",
            description="",
            allowed_pattern=None,
            keyid=None,
            last_modified_date=utcnow(),
            version=1,
            data_type="aws:ec2:image",
        )
    )


def permission_in_bucket(bucket: Any, action: str, resource: str) -> Any:
    """What the bucket's policy says to the request that is being served, conditions included.

    moto takes every condition of a Deny for fulfilled. The lab speaks plain HTTP where AWS has TLS, so a request counts
    as secure unless it says otherwise in the header x-lab-insecure, which tests send.
    """
    from flask import request
    from moto.iam.access_control import PermissionResult

    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    headers = request.headers
    context = {
        "aws:SecureTransport": "false" if "x-lab-insecure" in headers else "true",
        "aws:PrincipalAccount": ACCOUNT,
    }
    for header in ("If-None-Match", "If-Match"):
        if header in headers:
            context[f"s3:{header.lower()}"] = headers[header]
    if action == "s3:PutObject":
        context["s3:ObjectCreationOperation"] = str(not {"uploads", "uploadId"} & set(request.args)).lower()
    decision = evaluate([json.loads(bucket.policy)], Call(action, resource, context))
    return {Decision.ALLOW: PermissionResult.PERMITTED, Decision.DENY: PermissionResult.DENIED}.get(
        decision, PermissionResult.NEUTRAL
    )


def subscribers_for_notification(response: Any) -> str:
    """Budgets' DescribeSubscribersForNotification, which moto lacks though it keeps the subscribers."""
    from moto.budgets.exceptions import NotFoundException

    asked = response._get_param("Notification")
    name = response._get_param("BudgetName")
    budget = response.backend.budgets[response._get_param("AccountId")].get(name)
    for one in budget.notifications if budget else ():
        if asked.items() <= one.details.items():
            return json.dumps({"Subscribers": one.subscribers})
    raise NotFoundException(f"Unable to get subscribers of {name} - the notification doesn't exist.")


def let_tags_go_with_databases() -> None:
    """moto keeps the tags of a deleted database of Glue, and lists them ever after."""
    from moto.glue.models import GlueBackend
    from moto.utilities.utils import get_partition

    delete = GlueBackend.delete_database

    def delete_with_tags(backend: Any, name: str) -> None:
        delete(backend, name)
        place = f"arn:{get_partition(backend.region_name)}:glue:{backend.region_name}:{backend.account_id}"
        backend.tagger.delete_all_tags_for_resource(f"{place}:database/{name}")

    GlueBackend.delete_database = delete_with_tags  # type: ignore[method-assign, assignment]


def call_elastic_ips_as_aws_does() -> None:
    """moto lists tags of an Elastic IP under the type vpc-elastic-ip, where AWS and Ansible have elastic-ip."""
    from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE

    EC2_PREFIX_TO_RESOURCE["eipalloc"] = "elastic-ip"


def default_disk_key(response: Any) -> Any:
    """EC2's GetEbsDefaultKmsKeyId, which moto lacks though it keeps the key: AWS names its own by the alias."""
    from moto.core.responses import ActionResult
    from moto.kms.models import kms_backends

    found, kms = response.ec2_backend.default_kms_key_id, kms_backends[ACCOUNT][REGION]
    is_of_aws = not found or (kms.alias_exists(AWS_DISK_KEY) and kms.describe_key(AWS_DISK_KEY).arn == found)
    return ActionResult({"KmsKeyId": AWS_DISK_KEY if is_of_aws else found})


def keep_metadata_options() -> None:
    """moto forgets the metadata options of an instance that a change of others does not name."""
    from moto.ec2.models.instances import InstanceBackend

    modify = InstanceBackend.modify_instance_metadata_options

    def modify_those(backend: Any, instance_id: str, **options: Any) -> Any:
        there = backend.get_instance(instance_id).metadata_options
        kept = {
            "http_tokens": there.http_tokens,
            "hop_limit": there.http_put_response_hop_limit,
            "http_endpoint": there.http_endpoint,
            "http_protocol": there.http_protocol_ipv6,
            "metadata_tags": there.instance_metadata_tags,
        }
        given = {name: value for name, value in options.items() if value is not None}
        return modify(backend, instance_id, **{**kept, **given})

    InstanceBackend.modify_instance_metadata_options = modify_those  # type: ignore[method-assign, assignment]


def add_analyzers(application: Any) -> None:
    """Access Analyzer before moto's own application."""
    analyzers, others = Analyzers(REGION, ACCOUNT), application.__call__

    def call(self: Any, environ: dict[str, Any], start: Any) -> Any:
        ours = environ["PATH_INFO"] == PATH or environ["PATH_INFO"].startswith(f"{PATH}/")
        return analyzers.answer(environ, start) if ours else others(self, environ, start)

    application.__call__ = call


def be_slow(application: Any, waits: Waits, state: Path | None) -> None:
    """Take the time that AWS takes; with the folder of a lab, its hosts are the instances."""
    add_delays(application, waits)
    let_roles_spread(waits)
    let_functions_settle(waits)
    if state:
        machines = Machines(state, waits)
        show_keys_of(machines.host_key)
        boot_instances(machines)


def main(arguments: list[str]) -> None:
    """Serve until a signal ends it."""
    with tempfile.TemporaryDirectory(prefix="moto-") as folder:
        images = Path(folder) / "images.json"
        images.write_text(json.dumps([image()]), encoding="utf-8")
        os.environ.update(SETTINGS, MOTO_AMIS_PATH=str(images))
        from moto.budgets.responses import BudgetsResponse
        from moto.ec2.responses import EC2Response
        from moto.ec2.responses.general import General
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication
        from moto.s3.models import FakeBucket
        from moto.server import main as serve

        FakeBucket.get_permission = permission_in_bucket  # type: ignore[method-assign, assignment]
        BudgetsResponse.describe_subscribers_for_notification = subscribers_for_notification  # type: ignore[attr-defined]
        General.get_console_output = console_output  # type: ignore[method-assign, assignment]
        EC2Response.get_ebs_default_kms_key_id = default_disk_key  # type: ignore[attr-defined]
        add_analyzers(DomainDispatcherApplication)
        add_image_parameter()
        let_tags_go_with_databases()
        call_elastic_ips_as_aws_does()
        keep_metadata_options()
        if notes := os.environ.get(LATENCIES):
            state = os.environ.get(MACHINES)
            be_slow(DomainDispatcherApplication, Waits(Path(notes)), Path(state) if state else None)
        serve(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
