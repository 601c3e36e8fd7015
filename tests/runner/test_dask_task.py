"""What is kept in the folder of a worker."""

from pathlib import Path
from types import SimpleNamespace

from significand.runner.dask_task import drop_bundle, keep_bundle


def test_one_bundle_of_an_experiment_is_kept(tmp_path: Path) -> None:
    """What a program that was killed has left is replaced, what is another experiment's stays; the last is removed."""
    worker = SimpleNamespace(local_directory=str(tmp_path / "worker"))
    other, _ = keep_bundle(b"other", "of-another", "1", worker)
    keep_bundle(b"then", "ours", "1", worker)
    path, reason = keep_bundle(b"now", "ours", "2", worker)
    assert (Path(path).read_bytes(), reason) == (b"now", "")
    assert {str(one) for one in (tmp_path / "worker").iterdir()} == {other, path}
    drop_bundle("ours", "1", worker)  # late, from the program before
    assert Path(path).exists()
    drop_bundle("ours", "2", worker)
    assert [str(one) for one in (tmp_path / "worker").iterdir()] == [other]


def test_a_folder_that_takes_no_bundle_says_why(tmp_path: Path) -> None:
    """A full disk, or what stands in the way, is a reason and no exception, which might be the connection's."""
    (tmp_path / "file").touch()
    path, reason = keep_bundle(b"", "ours", "1", SimpleNamespace(local_directory=str(tmp_path / "file" / "worker")))
    assert path == ""
    assert "Not a directory" in reason
