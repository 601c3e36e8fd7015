"""What a job has left is read as what anybody may have written there."""

import json
from pathlib import Path

import pytest

from significand.runner.slurm_node import FACTS_BYTES, UNFIT, block_left, facts_left, facts_of, unfit_node
from significand.runner.task import LONGEST_REASON


@pytest.mark.parametrize(
    "answer",
    [b"", b"{", b"{}", b"[]", b"null", b"[1, 2]", b'["n1"]', b'["", "load"]', b'{"n1": 1}', b"\xff", b"[" * 99_999],
)
def test_an_answer_that_is_none_of_ours_names_no_node(answer: bytes) -> None:
    """What says that a node is unfit, and not which or why, is told as it came, and short."""
    node, told = unfit_node(UNFIT + answer)
    assert node == ""
    assert told.startswith("its node calls itself unfit, and says '")
    assert len(told) < 200


def test_an_unfit_node_says_what_is_wrong() -> None:
    """Its name and all that the doctor found, cut where that is too long."""
    assert unfit_node(UNFIT + b'["n1", "load: busy", "disk: full"]') == ("n1", "load: busy; disk: full")
    node, told = unfit_node(UNFIT + json.dumps(["n1", "x" * 9_999]).encode())
    assert (node, len(told)) == ("n1", LONGEST_REASON)
    assert unfit_node(UNFIT + json.dumps(["n" * 999, "x"]).encode())[0] == ""


@pytest.mark.parametrize(
    "answer", [b"", b"{", b"[]", b"{}", b'{"machine": {"host": 1}}', b'{"machine": 1}', b"[" * 99_999]
)
def test_facts_that_are_none_are_none(answer: bytes) -> None:
    """What is no node's description is not taken for one."""
    assert facts_of(answer) is None
    assert facts_of(b'{"machine": {"host": "n1"}, "checks": ' + json.dumps("[" * 99_999).encode() + b"}") is not None


def test_what_is_left_is_read_once_and_with_a_limit(tmp_path: Path) -> None:
    """A block, a reason, or what is too much; it is gone then."""
    path = tmp_path / "left"
    for content, left in ((b"PK 1", (b"PK 1", "")), (b"disk full", (b"", "disk full")), (UNFIT, (UNFIT, ""))):
        path.write_bytes(content)
        assert block_left(path) == left
        assert not path.exists()
    path.write_bytes(b" " * (FACTS_BYTES + 1))
    content, reason = facts_left(path)
    assert content == b""
    assert "measure fewer setups" in reason
