"""The daily token, its reminders and the secrets behind it."""

from pathlib import Path

from invoke.context import Context

from harvester.base.errors import ConfigError, UnhealthyError
from runbook.tasks.here import ROOT, hosts_of, play, target_of
from runbook.tasks.options import WHERE, operator


@operator(
    login="log in to the broker; this is the default",
    stdin="read the token from standard input instead of logging in",
    secret_stdin="read the app's secret from standard input, not from where the inventory says",  # noqa: S106  # a help
    paste="paste the address after the login, where the browser runs on another machine",
    broker="fyers or schwab (default: the broker of the host's market)",
    from_file="with --broker schwab: store what schwab-py keeps in this file, schwab_token.json, without a login",
    **WHERE,
)
def token_push(
    _: Context,
    login: bool = True,
    stdin: bool = False,
    secret_stdin: bool = False,
    paste: bool = False,
    broker: str | None = None,
    from_file: str | None = None,
    inventory: str | None = None,
    limit: str | None = None,
) -> None:
    """Log in to the broker (or read a token from stdin), store the token, and see the service use it."""
    from runbook.tasks import presentation
    from runbook.tokens import schwab_push, token_push

    hosts, target = hosts_of(inventory, limit, named=True), target_of(inventory, limit)
    if schwab_push.is_meant(hosts[0], broker):
        if stdin or paste:
            raise ConfigError(
                "--stdin and --paste are for Fyers. Give Schwab's tokens with --from-file, or log in here."
            )
        schwab_push.refuse_another_store(hosts[0])
        file = Path(from_file).expanduser() if from_file else None
        print(schwab_push.push_file(hosts[0], file) if file else schwab_push.push(hosts[0], secret_stdin=secret_stdin))
        return
    if from_file:
        raise ConfigError("--from-file is for --broker schwab. Give Fyers' token with --stdin.")
    token_push.refuse_unreached(hosts)
    obtained = token_push.obtain(hosts[0], stdin=stdin or not login, secret_stdin=secret_stdin, paste=paste)
    presentation.show_pushed(token_push.push(obtained, hosts, target))


@operator(json="print it as JSON", **WHERE)
def token_status(_: Context, json: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Show every credential: present, age, expiry, next action; exit code 3 when one that is needed is not good."""
    from runbook.console.terminal import waiting
    from runbook.tasks import presentation
    from runbook.tokens import credentials, token_refresh

    hosts = hosts_of(inventory, limit, named=True)
    with waiting(f"asking {', '.join(host.name for host in hosts)}"):
        found = credentials.look(hosts) + token_refresh.look(hosts)
    presentation.show_json([one.to_dict() for one in found]) if json else presentation.show_credentials(found)
    if not all(credential.good for credential in found):
        raise UnhealthyError("not every credential is good; see above.")


@operator(refresh="forget what ended the automatic refresh instead, so that its next run tries again", **WHERE)
def token_undo(_: Context, refresh: bool = False, inventory: str | None = None, limit: str | None = None) -> None:
    """Go back to the access token that was in force before, where it still works; again to come back."""
    from runbook.tokens import credentials, token_refresh

    hosts, target = hosts_of(inventory, limit, named=True), target_of(inventory, limit)
    if refresh:
        print("Forgotten: " + (", ".join(token_refresh.undo(hosts, target)) or "there was nothing to forget") + ".")
        return
    versions = credentials.undo(hosts, target)
    print("The token before is in use" + "".join(f"; {host}: {version}" for host, version in versions.items()) + ".")


@operator(listen="address:port to listen on, where your proxy forwards the app's redirect address", **WHERE)
def token_page(_: Context, listen: str | None = None, inventory: str | None = None, limit: str | None = None) -> None:
    """Serve the token page here for one login, by the handler that runs in AWS; prints its link."""
    from runbook.tasks import presentation
    from runbook.tokens import token_page

    hosts, target = hosts_of(inventory, limit, named=True), target_of(inventory, limit)
    presentation.show_pushed(token_page.serve(hosts, target, lambda line: print(line, flush=True), listen=listen))


@operator(**WHERE)
def notify_test(_: Context, inventory: str | None = None, limit: str | None = None) -> None:
    """Send a test message from the functions and from each host through every channel, and say how each took it."""
    from runbook.aws import channels_test, environment

    sent: list[str] = []
    if here := environment.load_managed(ROOT, inventory):
        with environment.reaching(here):
            sent = channels_test.send(here)
        print("\n".join(sent))
    hosts = hosts_of(inventory, limit) if sent else []
    asleep = [host.name for host in hosts if host.asleep]
    if asleep:
        print(f"{', '.join(asleep)}: asleep, and not tried. Run it again when they are awake: ./inv wake starts them.")
        limit = ",".join(host.name for host in hosts if not host.asleep)
    if limit or not asleep:
        play("notify_test", inventory, limit)


@operator(
    name="app-secret, pin, page-key, channels, postgres-dsn, rclone-token, application-variables,"
    " database-password or schwab-app-secret",
    **WHERE,
)
def secret_put(_: Context, name: str, inventory: str | None = None, limit: str | None = None) -> None:
    """Store a secret that you type, or pipe in, encrypted in AWS; the value before is kept."""
    from runbook.tokens import credentials

    print(credentials.put(hosts_of(inventory, limit, named=True), name))
