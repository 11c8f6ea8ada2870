"""The environment that leads an unmodified SDK to a running exchange."""

from pathlib import Path

from exchange.state import App

HOST_EXCEPTIONS = ("NO_PROXY", "no_proxy")


def client_environment(ready: dict[str, object]) -> dict[str, str]:
    """Variables for requests, websocket-client, httpx and OpenSSL, from what the exchange says of itself."""
    proxy, ca = str(ready["proxy"]), str(ready["ca"])
    return {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "REQUESTS_CA_BUNDLE": ca,
        "SSL_CERT_FILE": ca,
        "WEBSOCKET_CLIENT_CA_BUNDLE": ca,
        **dict.fromkeys(HOST_EXCEPTIONS, ""),
    }


def app_environment(app: App, token_file: Path) -> dict[str, str]:
    """The made-up credentials, for bots that read theirs from the environment."""
    return {
        "FYERS_APP_ID": app.app_id,
        "FYERS_SECRET": app.secret,
        "FYERS_REDIRECT_URI": app.redirect_uri,
        "FYERS_USER": app.user,
        "FYERS_PIN": app.pin,
        "FYERS_ACCESS_TOKEN_FILE": str(token_file),
    }
