"""What a machine's folder is called."""

import hashlib
import re

LONGEST = 64
"""Characters of a folder's name."""


def host_folder_name(host: str) -> str:
    """Return a machine's name as that of a folder: of letters, digits, dots and dashes, and another for another name.

    Parameters
    ----------
    host
        The machine's name, which may be any text.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", host).lstrip(".-")[:LONGEST]
    if plain == host and host:
        return host
    return f"{plain or 'host'}-{hashlib.sha256(host.encode(errors='surrogateescape')).hexdigest()[:8]}"
