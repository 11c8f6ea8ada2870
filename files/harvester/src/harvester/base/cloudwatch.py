"""A client of CloudWatch, or of its logs, for a program that systemd starts every minute."""

from typing import Any

CONNECT_SECONDS, READ_SECONDS = 3, 5


def open_client(service: str, region: str | None, endpoint_url: str | None, *, tries: int) -> Any:
    """A client that tries again when it is throttled or not answered, `tries` times in all.

    With the pauses between them, which the SDK doubles, up to four tries end before the next minute's run. Raises what
    botocore raises.
    """
    import botocore.session
    from botocore.config import Config

    options = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": tries},
        user_agent_extra="alpha-harvester",
    )
    session = botocore.session.get_session()
    return session.create_client(service, region_name=region, endpoint_url=endpoint_url, config=options)
