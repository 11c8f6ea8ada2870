"""Which proxy of the environment leads to a host: HTTPS_PROXY and NO_PROXY, as everywhere."""

import os


def proxy_for(host: str) -> str | None:
    """URL of the proxy, or None to connect directly."""
    if not (os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")):
        return None
    from urllib.request import getproxies, proxy_bypass  # large, and rarely needed

    return None if proxy_bypass(host) else getproxies().get("https")
