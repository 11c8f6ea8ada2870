"""The headers of each data call (Fyers API docs, authentication). Needs the standard library alone."""

from harvester.base.redaction import Secret


def data_headers(app_id: str, token: Secret) -> dict[str, str]:
    """Of a request with a token of this app."""
    return {
        "accept": "application/json",
        "version": "3",
        "authorization": f"{app_id}:{token.get_secret_value()}",
    }
