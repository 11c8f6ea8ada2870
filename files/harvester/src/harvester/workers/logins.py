"""Secrets of rclone's remotes: from the store in which a person put them, into rclone's own configuration file.

A secret is taken once for each time that a person stores one, because rclone keeps a token that it refreshed in the
same place: what is older than that in the store must not come back.
"""

import json
from configparser import Error, RawConfigParser
from io import StringIO
from pathlib import Path

from harvester.base.errors import ConfigError, HarvesterError
from harvester.base.files import replace_file
from harvester.base.redaction import register_text
from harvester.tokens.places import open_place, storing
from harvester.tokens.stores import Store, StoredToken
from harvester.workers.settings import RcloneSettings

TAKEN = "taken.json"
"""Beside rclone.conf: the version of each secret that was taken over."""
USER = "harvester-overseer"
SECRET_NAME = "rclone-token"  # noqa: S105  # the name by which secret-put knows it
MODE = 0o600


def take_logins(settings: RcloneSettings, region: str | None = None) -> list[str]:
    """Take over what was stored since; the remotes that have a new secret then. `region` is of stores in AWS.

    Raises ConfigError for a place or secret that cannot be used and HarvesterError where it cannot be read or written;
    rclone's configuration stays as it is.
    """
    wanted = [(remote, key, place) for remote, keys in settings.secrets.items() for key, place in keys.items()]
    if not wanted:
        return []
    taken, changed = _read_taken(settings.config.with_name(TAKEN)), []
    for remote, key, place in wanted:
        stored = _read(open_place(place, region), remote, key, has_one=f"{remote}.{key}" in taken)
        if stored is None or taken.get(f"{remote}.{key}") == stored.version:
            continue
        value = _check(remote, key, stored.value.get_secret_value())
        _write_key(settings.config, remote, key, value)
        taken[f"{remote}.{key}"] = stored.version
        _replace(settings.config.with_name(TAKEN), json.dumps(taken, indent=2) + "\n")
        changed.append(remote)
    return changed


def _read(store: Store, remote: str, key: str, *, has_one: bool) -> StoredToken | None:
    """None where nothing is stored any more, and rclone has what was."""
    stored = store.read()
    if stored is None and not has_one:
        raise ConfigError(
            f"{store.place}: the {key} of rclone's remote {remote} is not stored. Make one with `rclone authorize` on a"
            f" machine with a browser, then: {storing(SECRET_NAME, store, USER)}"
        )
    return stored


def _check(remote: str, key: str, value: str) -> str:
    """The secret as a line of the file. A token must be one that rclone can refresh."""
    register_text(value)
    if key != "token":
        return value
    try:
        fields = json.loads(value)
        if fields["refresh_token"]:
            return json.dumps(fields)
    except (ValueError, KeyError, TypeError):
        pass
    raise ConfigError(
        f"The token of rclone's remote {remote} is no JSON object with a refresh_token. Store all that `rclone"
        " authorize` printed between its two arrows."
    )


def _write_key(path: Path, remote: str, key: str, value: str) -> None:
    """rclone reads its file anew before it writes it, so what it refreshes meanwhile of other remotes stays."""
    parser = RawConfigParser(delimiters=("=",), comment_prefixes=("#", ";"), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(path.read_text("utf-8"))
        parser.set(remote, key, value)
    except (OSError, UnicodeDecodeError, Error) as error:
        raise ConfigError(
            f"{path}: rclone's configuration has no readable section [{remote}] ({type(error).__name__}). ./inv deploy"
            " writes it from rclone_remotes."
        ) from None
    text = StringIO()
    parser.write(text)
    _replace(path, text.getvalue())


def _read_taken(path: Path) -> dict[str, str]:
    """Of a file that is damaged nothing: each secret is then taken over once more."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        return {}
    except OSError as error:
        raise HarvesterError(f"{path}: cannot be read ({error.strerror}). Correct its owner to {USER}.") from error
    return {str(name): str(version) for name, version in found.items()} if isinstance(found, dict) else {}


def _replace(path: Path, text: str) -> None:
    try:
        replace_file(path, text, MODE)
    except OSError as error:
        raise HarvesterError(
            f"{path}: cannot be written ({error.strerror}). The folder must belong to {USER}; ./inv deploy sees to it."
        ) from error
