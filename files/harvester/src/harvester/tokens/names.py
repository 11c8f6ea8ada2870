"""Names of the places that hold secrets, for callers that know an environment, or one name of it."""

from harvester.aws_names import SECRETS, Names
from harvester.errors import ConfigError


def access_token_parameter(environment: str) -> str:
    """SSM parameter of the access token, such as /alpha-harvester/lab/fyers/access-token. Raises ConfigError."""
    return Names(environment).parameter("access_token")


def beside(access_token: str, secret: str) -> str:
    """Name of one of SECRETS in the environment whose access token has this name. Raises ConfigError."""
    ending = f"/{SECRETS['access_token']}"
    if not access_token.endswith(ending):
        raise ConfigError(
            f"token.parameter is {access_token}, which does not end in {ending}; so where the other secrets lie cannot"
            " be told. Name it by the rule, such as /alpha-harvester/production/fyers/access-token."
        )
    return f"{access_token.removesuffix(ending)}/{SECRETS[secret]}"
