"""The keys of CURVE, which say who a peer is: files of `samovar keygen`."""

import os
import re
import tomllib
from dataclasses import dataclass

_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


class BadKey(Exception):
    """A file that holds no key, or that others may read. The text is one sentence with the way out."""


@dataclass(frozen=True)
class Keys:
    """A peer's own pair and the broker's public key, in Z85."""

    public: str
    secret: str
    broker: str


def read_keys(files: tuple[str, str] | None) -> Keys | None:
    """From the paths of a peer's own key and of the broker's public one. Raises BadKey, also when the secret key may be read by others than its owner."""
    if files is None:
        return None
    key_file, broker_key_file = files
    own = _read(key_file)
    if not _is_key(own.get("secret")):
        raise BadKey(f"{key_file!r} holds no secret key: name the file that ends in .key")
    if os.stat(key_file).st_mode & 0o077:
        raise BadKey(f"{key_file!r} holds a secret key and may be read by others: chmod 600 it")
    return Keys(own["public"], own["secret"], _read(broker_key_file)["public"])


def _read(path: str) -> dict[str, str]:
    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
    except OSError as error:
        raise BadKey(f"cannot read the key file {path!r}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        found = {}
    if not _is_key(found.get("public")):
        raise BadKey(f"{path!r} is no key file: samovar keygen NAME makes one")
    return found


def _is_key(value: object) -> bool:
    return isinstance(value, str) and _Z85.fullmatch(value) is not None
