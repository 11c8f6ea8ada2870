"""Schwab's access token lasts 30 minutes: the agent renews it ahead of that, by the refresh token of the last login."""

import structlog

from harvester.base.clock import NS_PER_SECOND, Clock
from harvester.base.errors import HarvesterError
from harvester.base.redaction import Secret
from harvester.tokens import schwab
from harvester.tokens.claims import TokenError
from harvester.tokens.login import App, LoginError
from harvester.tokens.refresh import RefreshError
from harvester.tokens.schwab_file import read_file, write_file
from harvester.tokens.stores import Store, StoredToken, StoreError

log = structlog.get_logger()
AHEAD_NS = 300 * NS_PER_SECOND
"""Before its end the access token is renewed; what fails is tried again in the time that is left."""
AGAIN_NS = 30 * NS_PER_SECOND


class SchwabRenewer:
    """Renews what is in the store. A refusal is said once, and nothing is asked again until somebody has logged in."""

    def __init__(self, store: Store, secret: Store, app_id: str, api_url: str, clock: Clock) -> None:
        """`secret` has the app's."""
        self._store, self._secret, self._app_id, self._api_url, self._clock = store, secret, app_id, api_url, clock
        self._refused: str | None = None
        """The version of the stored value whose refresh token Schwab does not take."""
        self._next_mono_ns = 0

    def renew(self, stored: StoredToken) -> bool:
        """Renew what was read from the store, where that is due; whether the store has a new value. Never raises."""
        now_ns, mono_ns = self._clock.wall_ns(), self._clock.mono_ns()
        try:
            tokens = read_file(stored.value)
        except TokenError:
            return False  # the agent says so when it hands over
        if tokens.access.expires_at_ns - now_ns > AHEAD_NS or stored.version == self._refused:
            return False
        if mono_ns < self._next_mono_ns:
            return False
        self._next_mono_ns = mono_ns + AGAIN_NS
        try:
            app = App(self._app_id, self._read_secret(), "")
            new = schwab.renew(app, tokens.refresh, wall_ns=now_ns, api_url=self._api_url)
            version = self._store.write(write_file(new, stored.value))
        except RefreshError as error:
            if error.kind == "refused":
                self._refused = stored.version
            log.error("token_not_renewed", kind=error.kind, detail=str(error))
            return False
        except (LoginError, HarvesterError) as error:
            log.error("token_not_renewed", kind="later", detail=str(error))
            return False
        self._next_mono_ns = 0
        log.info("token_renewed", version=version)
        return True

    def _read_secret(self) -> Secret:
        stored = self._secret.read()
        if stored is None:
            raise StoreError(
                f"{self._secret.place} does not hold the app's secret, so the token is not renewed. Put it there: it is"
                " in Schwab's developer portal."
            )
        return stored.value
