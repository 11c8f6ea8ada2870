"""Checks of the way to the broker from this machine, which a login needs."""

import ssl

import httpx

from harvester.config.settings import API_URL
from runbook.doctor.finding import Finding, ok, warn
from runbook.fleet.environment import environment_of
from runbook.fleet.inventory import Host

TIMEOUT_SECONDS = 15.0


def check_broker(host: Host) -> Finding:
    """Whether the broker's API answers over TLS that this machine trusts; what it answers does not matter."""
    stated = (host.settings.get("broker") or {}).get("api_url")
    url = str(stated or API_URL)
    try:
        with environment_of(host):
            httpx.get(url, timeout=TIMEOUT_SECONDS, verify=ssl.create_default_context())
    except FileNotFoundError:
        trust = host.variables.get("broker_ca_file")
        return warn("broker", f"the CA file {trust} is not there", "In the lab, ./inv lab-up writes it.")
    except httpx.HTTPError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return warn(
                "broker",
                f"{url} shows a certificate that is not trusted here ({error})",
                "A proxy that opens TLS would do this: do not log in through it. In the lab, ./inv lab-up renews the "
                "stand-in's certificate.",
            )
        return warn(
            "broker",
            f"{url} cannot be reached from here ({type(error).__name__}: {error})",
            "Check this machine's network and proxy. A token can still be pushed with --stdin.",
        )
    return ok("broker", f"{url} answers, and its certificate is trusted")
