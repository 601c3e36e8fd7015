"""The folder of an experiment on several machines: locked, and begun as a whole, as any result folder."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO

from significand.results.fleet_state import FleetState
from significand.results.store import (
    BLOCK_DATA,
    BUNDLE,
    FLEET,
    HOSTS,
    RunDirectory,
    StrandedError,
    replacing,
    unwritable,
    write_json,
)

STAGED_FLEET = {
    BUNDLE: ".significand.next.zip",
    FLEET: ".significand.next.fleet.json",
    HOSTS: ".significand.next.hosts",
    BLOCK_DATA: ".significand.next.data",
}
"""What such an experiment begins with, and what it is called while earlier results are still in the folder."""


class FleetDirectory(RunDirectory):
    """The folder while blocks run elsewhere. Use it as a context; it is locked meanwhile."""

    def begin_fleet(self, state: FleetState, write_bundle: Callable[[IO[bytes], Path], object] | None) -> Path | None:
        """Put earlier results aside, and begin with a bundle and no blocks.

        Parameters
        ----------
        state
            What fleet.json says at first.
        write_bundle
            Writes the bundle to a file, and data that are too large for it into a folder; None where there is none,
            because all blocks are there.

        Returns
        -------
        pathlib.Path or None
            Where the earlier results are now; None where there were none.

        Raises
        ------
        PlanError
            When the folder cannot be written; earlier results are where they were.
        StrandedError
            When they could not be put back there.
        """
        staged = {name: self.folder / there for name, there in STAGED_FLEET.items()}
        try:
            self.check_ours()
            for path in staged.values():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            if write_bundle is None:
                del staged[BUNDLE]
            else:
                with replacing(staged[BUNDLE], "wb") as file:
                    write_bundle(file, staged[BLOCK_DATA])
            write_json(state.to_json(), staged[FLEET])
            staged[HOSTS].mkdir()
            if not staged[BLOCK_DATA].exists():
                del staged[BLOCK_DATA]
            return self._change_over([(path, self.folder / name) for name, path in staged.items()])
        except StrandedError:
            raise
        except OSError as error:
            raise unwritable(self.folder, error) from None


def is_fleet(folder: Path) -> bool:
    """Tell whether an experiment on several machines was begun in a folder."""
    return os.path.lexists(folder / FLEET)
