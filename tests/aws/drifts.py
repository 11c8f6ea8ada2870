"""Hands that change an account behind the inventory's back; each with the task that must notice and mend it."""

from collections.abc import Callable
from typing import Any

from tests.aws.account import NAMES, Cloud

from runbook.fleet.keys import make_key

Drift = Callable[[Cloud], Any]


def group(cloud: Cloud) -> str:
    filters = [{"Name": "group-name", "Values": [NAMES.security_group]}]
    found: str = cloud.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"][0]["GroupId"]
    return found


def host(cloud: Cloud) -> str:
    filters = [{"Name": "tag:Name", "Values": [NAMES.host(1)]}, {"Name": "instance-state-name", "Values": ["running"]}]
    reservations = cloud.client("ec2").describe_instances(Filters=filters)["Reservations"]
    found: str = reservations[0]["Instances"][0]["InstanceId"]
    return found


def open_to_the_world(cloud: Cloud) -> None:
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    cloud.client("ec2").authorize_security_group_ingress(GroupId=group(cloud), IpPermissions=[rule])


def weaken_metadata(cloud: Cloud) -> None:
    cloud.client("ec2").modify_instance_metadata_options(
        InstanceId=host(cloud), HttpTokens="optional", HttpPutResponseHopLimit=3
    )


def take_the_profile_off(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    worn = [{"Name": "instance-id", "Values": [host(cloud)]}]
    [found] = ec2.describe_iam_instance_profile_associations(Filters=worn)["IamInstanceProfileAssociations"]
    ec2.disassociate_iam_instance_profile(AssociationId=found["AssociationId"])


def change_the_disk(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    mine = [{"Name": "attachment.instance-id", "Values": [host(cloud)]}]
    [disk] = ec2.describe_volumes(Filters=mine)["Volumes"]
    ec2.modify_volume(VolumeId=disk["VolumeId"], VolumeType="gp2")
    ec2.delete_tags(Resources=[disk["VolumeId"]], Tags=[{"Key": "Environment"}])


def allow_termination(cloud: Cloud) -> None:
    cloud.client("ec2").modify_instance_attribute(InstanceId=host(cloud), DisableApiTermination={"Value": False})


def move_address(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    address = ec2.describe_addresses()["Addresses"][0]
    ec2.disassociate_address(AssociationId=address["AssociationId"])


def make_administrator(cloud: Cloud) -> None:
    cloud.client("iam").attach_role_policy(
        RoleName=NAMES.role("host"), PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
    )


def add_a_policy(cloud: Cloud) -> None:
    everything = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
    cloud.client("iam").put_role_policy(RoleName=NAMES.role("host"), PolicyName="more", PolicyDocument=everything)


def replace_the_key(cloud: Cloud) -> None:
    ec2, another = cloud.client("ec2"), cloud.folder / "another"
    make_key(another, "another")
    ec2.delete_key_pair(KeyName=NAMES.key_pair)
    public = another.with_suffix(".pub").read_bytes()
    ec2.import_key_pair(KeyName=NAMES.key_pair, PublicKeyMaterial=public)


def widen_policy(cloud: Cloud) -> None:
    everything = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
    cloud.client("iam").put_role_policy(
        RoleName=NAMES.role("scheduler"), PolicyName="exactly-this", PolicyDocument=everything
    )


def open_bucket(cloud: Cloud) -> None:
    s3, name = cloud.client("s3"), NAMES.bucket("123456789012")
    s3.delete_public_access_block(Bucket=name)
    s3.delete_bucket_policy(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})


def delete_alarm(cloud: Cloud) -> None:
    cloud.client("cloudwatch").delete_alarms(AlarmNames=[NAMES.alarm(f"silent-{NAMES.host(1)}")])


def add_schedule(cloud: Cloud) -> None:
    scheduler = cloud.client("scheduler")
    old = scheduler.get_schedule(GroupName=NAMES.schedule_group, Name="dead-man")
    change = {"GroupName": NAMES.schedule_group, "Target": old["Target"], "FlexibleTimeWindow": {"Mode": "OFF"}}
    scheduler.create_schedule(Name="foreign", ScheduleExpression="rate(1 hours)", **change)
    scheduler.update_schedule(Name="dead-man", ScheduleExpression="rate(9 hours)", **change)


def change_function(cloud: Cloud) -> None:
    cloud.client("lambda").update_function_configuration(FunctionName=NAMES.function("evening"), Timeout=3)


def open_the_page_wide(cloud: Cloud) -> None:
    client, name = cloud.client("lambda"), NAMES.function("token-page")
    client.delete_function_concurrency(FunctionName=name)
    client.remove_permission(FunctionName=name, StatementId="public-url")
    client.create_function_url_config(FunctionName=NAMES.function("reminder"), AuthType="NONE")


def forget_logs(cloud: Cloud) -> None:
    for group in (NAMES.function_log_group("dead-man"), NAMES.host_log_group):
        cloud.client("logs").delete_retention_policy(logGroupName=group)


def unsubscribe(cloud: Cloud) -> None:
    sns = cloud.client("sns")
    for one in sns.list_subscriptions()["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])


def redirect_the_budgets_mails(cloud: Cloud) -> None:
    budgets, this = cloud.client("budgets", "us-east-1"), {"AccountId": "123456789012", "BudgetName": NAMES.budget}
    note = budgets.describe_notifications_for_budget(**this)["Notifications"][0]
    elsewhere = {"SubscriptionType": "EMAIL", "Address": "somebody@example.net"}
    budgets.delete_notification(**this, Notification=note)
    budgets.create_notification(**this, Notification=note, Subscribers=[elsewhere])


HOSTS, WATCH = "aws_host : Make the hosts", "aws_watch : Settle what watches"
SETTINGS = "aws_functions : Settle the functions and their logs"
DRIFTS: tuple[tuple[Drift, str], ...] = (
    (open_to_the_world, "aws_host : Open what must be open, and nothing else"),
    (weaken_metadata, HOSTS),
    (allow_termination, HOSTS),
    (take_the_profile_off, HOSTS),
    (change_the_disk, "aws_host : Reach | Grow and tag the disks"),
    (move_address, "aws_host : Reach | Give each host an address of its own"),
    (replace_the_key, "aws_host : Import the key"),
    (make_administrator, "aws_identity : Make the roles"),
    (widen_policy, "aws_identity : Give each role its policy"),
    (add_a_policy, "aws_identity : Take off inline policies that somebody added"),
    (open_bucket, "aws_storage : Make the bucket"),
    (delete_alarm, WATCH),
    (add_schedule, WATCH),
    (change_function, "aws_functions : Deploy the functions"),
    (open_the_page_wide, SETTINGS),
    (forget_logs, SETTINGS),
    (unsubscribe, "aws_watch : Topic | Make the topic"),
    (redirect_the_budgets_mails, WATCH),
)
