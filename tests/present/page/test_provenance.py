from pathlib import Path

import pytest

from made_up_pages import HOSTILE, made_up_experiment
from significand.present.page.provenance import caveats, machine_facts, method, warnings, workload_facts
from significand.present.page.setups import setups_of


def test_the_workload_is_named(tmp_path: Path) -> None:
    """Network, data, training and inference, with the numbers that they depend on."""
    results = made_up_experiment(tmp_path / "a", columns={"n_train": 1600, "n_test": 400})
    facts = dict(workload_facts(results))
    assert facts["Network"] == "16-32-4, relu, softmax"
    assert facts["Data"] == "synthetic, 1,600 for training and 400 held out"
    assert facts["Training"] == "sgd, 2 epochs, batches of 16"
    assert facts["Inference"].startswith("onnxruntime, ")


def test_the_machine_is_told_without_what_is_not_known(tmp_path: Path) -> None:
    """Facts that the manifest lacks leave no empty line."""
    machine = {"virtual_machine": True, "instruction_sets": ["avx2", "vnni"], "physical_cores": 4, "turbo": False}
    facts = dict(machine_facts(made_up_experiment(tmp_path / "a", machine=machine).manifest))
    assert facts["Processor"] == "Made-up 9000"
    assert facts["Cores"] == "4 physical, 2 available"
    assert facts["Instructions for formats"] == "avx2, vnni"
    assert facts["Memory"] == "8.0 GB"
    assert facts["Clock"] == "turbo off"
    assert facts["Virtual machine"] == "yes"
    assert facts["Versions"] == "significand 0.1.0, PyTorch 2.12.0, NumPy 2.4.0"
    assert "Python" not in facts
    assert machine_facts({}) == ()


@pytest.mark.parametrize(
    ("on_noise", "words"),
    [("remeasure", "it is measured again, at most 2 times"), ("mark", "it is marked and kept"), ("fail", "fails")],
)
def test_the_method_is_that_of_the_experiment(tmp_path: Path, on_noise: str, words: str) -> None:
    """What became of disturbed steps depends on what was asked for."""
    fields = {"on_noise": on_noise, "remeasure_limit": 2, "noise_share": 0.1, "round_duration_s": 0.05}
    told = " ".join(method(made_up_experiment(tmp_path / "a", experiment=fields)))
    assert words in told
    assert "more than 10 % of the CPU time" in told
    assert "50 ms round" in told


def test_caveats_follow_from_the_runs(tmp_path: Path) -> None:
    """An estimate, a single run, a virtual machine, an interruption and a sequential interval are each said."""
    usual = made_up_experiment(tmp_path / "a")
    told = " ".join(caveats(usual, setups_of(usual)))
    assert "Energy is an estimate" in told
    assert "single run" not in told
    assert "virtual machine" not in told
    odd = made_up_experiment(
        tmp_path / "b",
        n=1,
        columns={"session": 1, "energy_kind": "measured"},
        machine={"virtual_machine": True},
        experiment={"until": 0.01},
    )
    told = " ".join(caveats(odd, setups_of(odd)))
    for words in ("single run has no interval", "virtual machine", "interrupted and gone on with", "sequential"):
        assert words in told
    assert "estimate" not in told


def test_an_experiment_that_is_not_complete_says_so_first(tmp_path: Path) -> None:
    """The state of the manifest, and how many runs there are."""
    assert list(warnings(made_up_experiment(tmp_path / "a"))) == []
    cut = made_up_experiment(tmp_path / "b", state="interrupted", experiment={"repeats": 10})
    assert list(warnings(cut)) == ["This experiment is not complete (interrupted): 12 of 30 runs ended."]


def test_whatever_a_manifest_says_is_text(tmp_path: Path) -> None:
    """Control characters are visible."""
    results = made_up_experiment(tmp_path / "a", machine={"cpu": HOSTILE[3]}, state=HOSTILE[3])
    assert dict(machine_facts(results.manifest))["Processor"].isprintable()
    assert all(line.isprintable() for line in warnings(results))
