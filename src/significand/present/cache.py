"""The folder for what takes long to make and is the same for every report."""

import os
from pathlib import Path


def cache_folder() -> Path | None:
    """Return the user's cache folder for this program (XDG Base Directory Specification).

    None where there is no home folder either. It may not exist yet, and it may not be possible to write there.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():  # the specification has others ignored
        return given / "significand"
    try:
        home = Path.home()
    except RuntimeError:  # neither HOME nor an entry for the user
        return None
    return home / ".cache" / "significand" if home.is_absolute() else None
