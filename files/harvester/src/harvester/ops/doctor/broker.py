"""Checks of the way to the broker from this machine, which a login needs."""

import socket
import ssl
from urllib.parse import urlsplit

from harvester.ops.doctor.finding import Finding, ok, warn
from harvester.ops.inventory import Host
from harvester.settings import BrokerSettings

TIMEOUT_SECONDS = 10.0


def check_broker(host: Host) -> Finding:
    """Whether the broker's API answers over TLS that this machine trusts."""
    stated = (host.settings.get("broker") or {}).get("api_url")
    url = urlsplit(str(stated or BrokerSettings.model_fields["api_url"].default))
    name, port = url.hostname or "", url.port or 443
    address = str(host.variables.get("broker_connect_address") or name)
    trust = host.variables.get("broker_ca_file")
    fix_network = "Check this machine's network and proxy; pushing a token from elsewhere with --stdin still works."
    try:
        context = ssl.create_default_context(cafile=str(trust) if trust else None)
        with (
            socket.create_connection((address, port), timeout=TIMEOUT_SECONDS) as raw,
            context.wrap_socket(raw, server_hostname=name) as connection,
        ):
            version = connection.version()
    except ssl.SSLCertVerificationError as error:
        return warn(
            "broker",
            f"{name} shows a certificate that is not trusted here: {error.verify_message}",
            "A proxy that opens TLS would do this: do not log in through it. In the lab, ./inv lab-up renews the "
            "stand-in's certificate.",
        )
    except FileNotFoundError:
        return warn("broker", f"the CA file {trust} is not there", "In the lab, ./inv lab-up writes it.")
    except OSError as error:
        return warn("broker", f"{name}:{port} cannot be reached from here ({error})", fix_network)
    return ok("broker", f"{name} answers, {version}, certificate trusted")
