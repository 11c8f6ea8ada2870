"""Names of the parameters that hold secrets: the only place where they are built."""

import re

from harvester.errors import ConfigError

PREFIX = "/alpha-harvester"
ENVIRONMENT = re.compile(r"^[a-z0-9][a-z0-9-]{0,30}$")


def access_token_parameter(environment: str) -> str:
    """SSM parameter of the access token, such as /alpha-harvester/lab/fyers/access-token. Raises ConfigError."""
    if not ENVIRONMENT.match(environment):
        raise ConfigError(
            f"environment {environment!r}: the name may have lower-case letters, digits and dashes only,"
            " such as lab or production."
        )
    return f"{PREFIX}/{environment}/fyers/access-token"
