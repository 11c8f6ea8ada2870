"""The automatic refresh: one try, what became of it, and the memory of refusals, so that none is asked for twice."""

import hashlib
import json
from typing import Any, NamedTuple

from harvester.base.clock import NS_PER_SECOND
from harvester.base.market import to_local
from harvester.base.redaction import Secret
from harvester.tokens.claims import TokenError
from harvester.tokens.login import App, BusyError, LoginError, check_account, fetch_profile
from harvester.tokens.places import storing
from harvester.tokens.refresh import RefreshError, days_left, refresh
from harvester.tokens.stores import Store, StoredToken, StoreError

ANNOUNCED_DAYS = (3, 1)
USER = "harvester-token"
ABSENT_FOR_GOOD_NS = 12 * 3_600 * NS_PER_SECOND
"""When the address is still not there at the next day's run, the flow is taken to be gone."""


class Stores(NamedTuple):
    """Where each part of the refresh is."""

    access_token: Store
    refresh_token: Store
    pin: Store
    app_secret: Store
    state: Store


class RenewalOutcome(NamedTuple):
    """What became of a try: renewed, gone, refused, later or not_set_up; `new` when people have not been told yet.

    `days` is what to announce of the refresh token's life, 3 or 1, once each; None: nothing.
    """

    kind: str
    detail: str
    new: bool
    days: int | None = None


def renew(
    stores: Stores, *, app_id: str, api_url: str, account: str | None, wall_ns: int, rest_ns: int = 0
) -> RenewalOutcome:
    """Put a new access token into its store, unless an earlier refusal still holds. Raises nothing.

    `rest_ns`: nothing is asked for so long after a try that worked, so that whoever calls often asks once.
    """
    try:
        return _renew(stores, app_id, api_url=api_url, account=account, wall_ns=wall_ns, rest_ns=rest_ns)
    except (StoreError, BusyError) as error:
        return RenewalOutcome("later", str(error), True)
    except (LoginError, TokenError) as error:
        return RenewalOutcome("refused", str(error), True)


def _renew(
    stores: Stores, app_id: str, *, api_url: str, account: str | None, wall_ns: int, rest_ns: int
) -> RenewalOutcome:
    state = _read_state(stores.state)
    if 0 <= wall_ns - int(state.get("renewed", -rest_ns)) < rest_ns:
        return RenewalOutcome("renewed", "the token was renewed a while ago.", False)
    token, pin, secret = stores.refresh_token.read(), stores.pin.read(), stores.app_secret.read()
    if token is None or pin is None or secret is None:
        missing = next(store.place for store in stores[1:4] if store.read() is None)
        return RenewalOutcome("not_set_up", f"{missing} does not exist, so tokens are not refreshed.", False)
    asked = _fingerprint(token, pin, secret)
    if state.get("gone"):
        return RenewalOutcome("gone", str(state["gone"]), False)
    if state.get("refused") == asked:
        return RenewalOutcome("refused", str(state.get("detail")), False)
    app = App(app_id, secret.value, "")
    try:
        another_pin = storing("pin", stores.pin, USER)
        refreshed = refresh(app, token.value, pin.value, api_url=api_url, wall_ns=wall_ns, another_pin=another_pin)
        check_account(fetch_profile(app, refreshed.access_token, api_url=api_url).account, account)
    except RefreshError as error:
        return _remember(stores.state, state, error, asked, wall_ns)
    version = stores.access_token.write(refreshed.access_token)
    days = _due_announcement(state, token, wall_ns)
    # A refresh that worked ends what was remembered against it.
    kept: dict[str, Any] = {"told": {"token": token.version, "days": days} if days else state.get("told")}
    kept |= {"renewed": wall_ns} if rest_ns else {}
    if kept != {"told": None, **state}:
        stores.state.write(Secret(json.dumps(kept)))
    return RenewalOutcome("renewed", f"{version} is in place; {refreshed.days_left} days left to refresh.", False, days)


def forget(state: Store) -> None:
    """Try again from now on, after a person has put right what was refused. Raises StoreError."""
    state.write(Secret(json.dumps(_announced(_read_state(state)))))


def remembered(store: Store) -> RenewalOutcome | None:
    """What is held against the next try: gone, refused, or absent so far; None: nothing. Raises StoreError."""
    state = _read_state(store)
    if state.get("gone"):
        return RenewalOutcome("gone", str(state["gone"]), False)
    kind = next((kind for kind in ("refused", "absent") if state.get(kind)), None)
    return RenewalOutcome(kind, str(state.get("detail")), False) if kind else None


def _due_announcement(state: dict[str, Any], token: StoredToken, wall_ns: int) -> int | None:
    """3 or 1 when so few days are left and that was not announced of this token yet."""
    left = days_left(token.value, wall_ns)
    due = min((days for days in ANNOUNCED_DAYS if left <= days), default=None)
    told = state.get("told") or {}
    if due is None or (told.get("token") == token.version and told.get("days", 99) <= due):
        return None
    return due


def _remember(store: Store, state: dict[str, Any], error: RefreshError, asked: str, wall_ns: int) -> RenewalOutcome:
    """What follows from a try that failed, kept for the next one."""
    kind, detail = error.kind, str(error)
    if kind == "absent":
        since = int(state.get("absent", wall_ns))
        if wall_ns - since < ABSENT_FOR_GOOD_NS:
            store.write(Secret(json.dumps({"told": state.get("told"), "absent": since, "detail": detail})))
            return RenewalOutcome("later", detail, True)
        kind = "gone"
        detail = f"No refresh of the broker is to be found since {to_local(since):%a %d %b %H:%M %Z}. Log in. {detail}"
    if kind == "gone":
        store.write(Secret(json.dumps({"gone": detail} | _announced(state))))
    elif kind == "refused":
        store.write(Secret(json.dumps({"refused": asked, "detail": detail} | _announced(state))))
    return RenewalOutcome(kind, detail, True)


def _announced(state: dict[str, Any]) -> dict[str, Any]:
    """What people were told of the refresh token's life, which no failure undoes."""
    return {"told": state["told"]} if state.get("told") else {}


def _read_state(store: Store) -> dict[str, Any]:
    stored = store.read()
    try:
        content = json.loads(stored.value.get_secret_value()) if stored else {}
    except ValueError:
        content = {}
    return content if isinstance(content, dict) else {}


def _fingerprint(*parts: StoredToken) -> str:
    """Names what was asked with, so that a new refresh token, PIN or secret is a new try."""
    return hashlib.sha256("\n".join(part.version for part in parts).encode()).hexdigest()[:16]
