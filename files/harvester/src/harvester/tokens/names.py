"""Names of the parameters that hold secrets, for callers that know an environment alone."""

from harvester.aws_names import Names


def access_token_parameter(environment: str) -> str:
    """SSM parameter of the access token, such as /alpha-harvester/lab/fyers/access-token. Raises ConfigError."""
    return Names(environment).parameter("access_token")
