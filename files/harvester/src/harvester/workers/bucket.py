"""A mailbox that is a prefix of a bucket in S3. The endpoint may come from $AWS_ENDPOINT_URL."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from harvester.base.aws_errors import advise, cause_of, code_of
from harvester.workers.mailbox import MAX_BYTES, Entry, MailboxError, bounded


class BucketMailbox:
    """The objects right under s3://bucket/prefix."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client, self._bucket = client, bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def look(self) -> list[Entry]:
        found: list[Entry] = []
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix, Delimiter="/"
            )
            for page in pages:
                for row in page.get("Contents", ()):
                    if name := row["Key"].removeprefix(self._prefix):
                        found.append(Entry(name, row["Size"], name))
        except (BotoCoreError, ClientError) as error:
            raise self._refused("cannot be looked at", "s3:ListBucket", error) from error
        return found

    def read(self, name: str) -> bytes | None:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
            return bounded(answer["Body"].read(MAX_BYTES + 1), f"s3://{self._bucket}/{self._prefix}{name}")
        except (BotoCoreError, ClientError) as error:
            if code_of(error) == "NoSuchKey":
                return None
            raise self._refused(f"{name} cannot be read", "s3:GetObject", error) from error

    def put(self, name: str, data: bytes) -> None:
        try:
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=data)
        except (BotoCoreError, ClientError) as error:
            raise self._refused(f"{name} cannot be written", "s3:PutObject", error) from error

    def clear(self, name: str) -> None:
        try:
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)
        except (BotoCoreError, ClientError) as error:
            raise self._refused(f"{name} cannot be removed", "s3:DeleteObject", error) from error

    def _refused(self, what: str, rights: str, error: Exception) -> MailboxError:
        advice = advise(cause_of(error), service="S3", rights=rights, region="AWS_REGION")
        said = code_of(error) or type(error).__name__
        return MailboxError(f"s3://{self._bucket}/{self._prefix}: {what} ({said}). {advice}")
