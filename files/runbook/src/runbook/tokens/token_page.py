"""token-page: the token page on this machine, for one login, by the same handler that runs in AWS."""

import secrets
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from harvester.base.clock import SystemClock
from harvester.base.errors import ConfigError
from harvester.base.redaction import Secret
from harvester.page.links import LinkSigner
from harvester.page.local import make_server
from harvester.page.once import Budget, FolderOnce
from harvester.page.service import Service, link_address
from harvester.tokens.login import Grant
from runbook.fleet.environment import environment_of
from runbook.fleet.inventory import Host
from runbook.fleet.playbook import Target
from runbook.tokens import token_push
from runbook.tokens.broker_login import Obtained, api_url_of, check_granted, read_app
from runbook.tokens.redirect import can_catch

HTTP_PORT = 80
Push = Callable[[Obtained, Sequence[Host], Target], token_push.Pushed]


def serve(
    hosts: Sequence[Host],
    target: Target,
    tell: Callable[[str], None],
    *,
    listen: str | None = None,
    push: Push = token_push.push,
) -> token_push.Pushed:
    """Serve until a login has led to a token that the hosts use. Raises ConfigError or HarvesterError."""
    host = hosts[0]
    app = read_app(host)
    account = token_push.expected_account(host)
    if not account:
        raise ConfigError(
            "Whose login the page may keep is not known yet. Name your client ID as broker_account in the inventory."
        )
    pushed: list[token_push.Pushed] = []

    def keep(grant: Grant) -> str:
        done = push(check_granted(host, grant), hosts, target)
        pushed.append(done)
        threading.Thread(target=server.shutdown).start()  # from another thread: this one is answering
        return ", ".join(sorted(set(done.versions.values())))

    with tempfile.TemporaryDirectory(prefix="token-page-") as folder, environment_of(host):
        signer = LinkSigner(Secret(secrets.token_hex(32)), "this machine")
        service = Service(
            app, account, api_url_of(host), signer, FolderOnce(Path(folder)), keep, SystemClock(), Budget(), tell
        )
        with make_server(service, _address(app.redirect_uri, listen)) as server:
            where = urlsplit(app.redirect_uri)
            tell(link_address(f"{where.scheme}://{where.netloc}", signer, SystemClock().wall_ns()))
            server.serve_forever(poll_interval=0.1)
    return pushed[0]


def _address(redirect_uri: str, listen: str | None) -> tuple[str, int]:
    """Where to listen: as told, else where the app's redirect leads, if that is this machine."""
    if listen:
        address, _, port = listen.rpartition(":")
        if not address or not port.isdigit():
            raise ConfigError(f"--listen {listen!r} is no address and port. Write it like 127.0.0.1:8080.")
        return address, int(port)
    if not can_catch(redirect_uri):
        raise ConfigError(
            f"The app's redirect address {redirect_uri} does not lead to this machine. Name the address to which"
            " your proxy forwards it with --listen ADDRESS:PORT, or use ./inv token-push --paste."
        )
    where = urlsplit(redirect_uri)
    return "127.0.0.1", where.port or HTTP_PORT
