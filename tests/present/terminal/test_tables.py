import io
import math
import re

import pytest
from rich.console import Console, RenderableType

from significand.engines.probe import ModeSupport
from significand.present.terminal.tables import modes_view, summary_view
from significand.present.words.findings import findings

MODES = ("float32", "float16", "int8", "bfloat16", "int8-dynamic", "float64")
Row = dict[str, object]


def summary_row(mode: str, *, repeats: int = 5, effective: str | None = None, **values: object) -> Row:
    """Make a row as an experiment gives it, then apply `values`."""
    row: Row = {"precision_mode": mode, "repeats": repeats, "failed_runs": 0, "engine": "onnxruntime"}
    row |= {"effective_precision": effective or mode.removesuffix("-dynamic"), "ratio_baseline": "float32"}
    row |= {"training_precision": "float16 autocast, loss scaling" if mode == "float16" else "float32"}
    means = {"train_time": 0.323, "latency": 0.368e-6, "memory": 2.401, "accuracy": 0.9925, "energy": 4.009}
    for metric, mean in (means | {"test_accuracy": 0.971}).items():
        row |= {f"{metric}_mean": mean, f"{metric}_ci95": 0.018 * mean if repeats > 1 else math.nan}
    for metric in ("train_time", "latency", "memory", "energy"):
        ratio, half_width = (1.0, 0.0) if mode == "float32" else (1.059, 0.078 if repeats > 1 else math.nan)
        row |= {f"{metric}_ratio": ratio}
        row |= {f"{metric}_ratio_ci95_t_low": ratio - half_width, f"{metric}_ratio_ci95_t_high": ratio + half_width}
    return row | {"energy_kind": "estimated", "energy_source": "cpu-time"} | values


def failed_row(mode: str) -> Row:
    """Make the row of a mode of which all five runs failed."""
    numbers = {key: math.nan for key, value in summary_row(mode).items() if isinstance(value, float)}
    facts: Row = {"effective_precision": "", "energy_kind": "", "energy_source": ""}
    return summary_row(mode, repeats=0, failed_runs=5) | numbers | facts


def shown(view: RenderableType, width: int = 80) -> str:
    """Print into a text, as into a pipe."""
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def line_of(text: str, start: str) -> str:
    """Give the one line that starts so."""
    (line,) = [line for line in text.splitlines() if line.split("  ")[0].strip() == start]
    return line


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("count", [1, 3, 6])
def test_no_line_is_too_long_and_no_digit_lost(count: int, width: int) -> None:
    """The summary fits its console, and every number stays whole."""
    text = shown(summary_view([summary_row(mode) for mode in MODES[:count]]), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert text.count(" 2.401±0.043 ") == count
    assert text.count("×1.059") == text.count("0.981–1.137") == 4 * (count - 1)


def test_six_modes_are_a_table_in_80_columns() -> None:
    """A usual terminal has room for a column per metric, each ratio above its mean; the baseline's own is 1."""
    text = shown(summary_view([summary_row(mode) for mode in MODES]))
    lines = [line.split() for line in text.splitlines()]
    row = lines.index(["int8-dynamic", *["×1.059"] * 3, "99.2±1.8", "×1.059"])
    assert lines[row + 1] == ["infers", "int8", *["0.981–1.137"] * 3, "97.1±1.7", "0.981–1.137"]
    assert lines[row + 2] == ["trains", "float32", "323.0±5.8", "368.0±6.6", "2.401±0.043", "4.009±0.072"]
    assert ["float32", *["×1"] * 3, "99.2±1.8", "×1"] in lines
    assert "±: 95 % interval of these minutes on this machine: mean over " in " ".join(text.split())


def test_narrow_console_gets_a_line_per_metric() -> None:
    """Where the table would not fit, every metric has its own line with unit and ratio."""
    text = shown(summary_view([summary_row("float32"), summary_row("int8")]), 60)
    lines = [line.split() for line in text.splitlines()]
    assert ["infers", "int8"] in lines
    assert ["trains", "float32"] in lines
    latency = lines.index(["latency", "×1.059", "0.981–1.137"], lines.index(["infers", "int8"]))
    assert lines[latency + 1] == ["368.0±6.6", "ns/sample"]
    assert ["train", "accuracy", "99.2±1.8", "%"] in lines
    assert ["test", "accuracy", "97.1±1.7", "%"] in lines


def test_one_run_has_no_half_width_and_says_so() -> None:
    """With a single run no ± is shown anywhere, and a line says why."""
    text = shown(summary_view([summary_row("float32", repeats=1), summary_row("int8", repeats=1)]))
    assert "±" not in text
    assert "one run each: no interval" in text
    assert "×1.06" in text
    assert "–" not in text


def test_single_run_beside_several_says_why_it_has_no_half_width() -> None:
    """Where only some modes have an interval, both cases are explained."""
    text = shown(summary_view([summary_row("float32"), summary_row("int8", repeats=1)]))
    assert "over 5 runs" in text
    assert "no ±: a single run has no interval" in text


def test_sequential_intervals_are_called_so() -> None:
    """Below a table of intervals that said when to stop, a footnote says it; one run each has no interval."""
    told = "intervals are sequential: repeats went on until they were narrow"
    rows = [summary_row(mode, interval_method="sequential t") for mode in MODES[:2]]
    assert told in shown(summary_view(rows), 120)
    assert told not in shown(summary_view([summary_row("int8", interval_method="t")]), 120)
    assert told not in shown(summary_view([summary_row("int8", repeats=1, interval_method="sequential t")]), 120)


def test_failed_mode_shows_dashes_and_a_finding() -> None:
    """A mode without a finished run keeps its line, without numbers, and does not count among the runs."""
    text = shown(summary_view([summary_row("float32"), failed_row("int8")]))
    assert line_of(text, "int8").split() == ["int8", *["–"] * 5]
    assert "int8: 5 of 5 runs failed and are in no number." in text
    assert "over 5 runs" in text
    assert "×" not in text


def test_nothing_finished_is_still_a_table() -> None:
    """When every run failed there is no interval to explain, and nothing breaks."""
    text = shown(summary_view([failed_row("float32"), failed_row("int8")]))
    assert "interval" not in text
    assert "float32 (5), int8 (5): 10 of 10 runs failed" in text
    assert shown(summary_view([]))


def test_another_format_is_told_in_a_sentence() -> None:
    """A mode whose inference ran in another format says so in its line and below the table, and what it trained in."""
    rows = [summary_row("float32"), summary_row("float16", effective="float32"), summary_row("int8-dynamic")]
    assert findings(rows) == ["float16 ran as float32 on onnxruntime."]
    text = shown(summary_view(rows))
    assert "float16 ran as float32 on onnxruntime." in text
    assert text.count("infers float32") == 2
    assert text.count("trains float16") == 1


def test_the_finding_says_why_and_what_would_run_it() -> None:
    """The reason for another format stands in the same line, with the engine that computes in the one asked for."""
    note = "this CPU has no float16 arithmetic; torch keeps its numbers in float16"
    assert findings([summary_row("float16", effective="float32", precision_note=note)]) == [
        f"float16 ran as float32 on onnxruntime: {note}."
    ]


def test_an_error_that_does_not_fit_the_format_is_told() -> None:
    """What the rounding check found odd is a finding."""
    assert findings([summary_row("bfloat16", rounding_flag="something finer ran")]) == [
        "bfloat16: something finer ran."
    ]


def test_steps_that_stayed_disturbed_are_counted_in_the_table_and_told() -> None:
    """Disturbed steps stand under the mode and in a sentence; those measured again in a footnote."""
    rows = [summary_row("int8", steps=100, disturbed_steps=3, remeasured_steps=20), summary_row("float32", steps=100)]
    (finding,) = findings(rows)
    assert finding.startswith("int8: others disturbed 3 of 100 measured steps")
    text = shown(summary_view(rows))
    assert text.count("disturbed 3/100") == 1
    told = " ".join(text.split())
    assert "20 of 200 steps were disturbed by others and measured again; 3 stayed disturbed" in told
    quiet = " ".join(shown(summary_view([summary_row("int8", steps=100, remeasured_steps=20)])).split())
    assert "20 of 100 steps were disturbed by others and measured again; then all were quiet" in quiet


def test_steps_of_which_nobody_can_tell_are_told() -> None:
    """Steps whose noise could not be seen are no quiet ones: a sentence counts them and says where to look."""
    (finding,) = findings([summary_row("int8", steps=100, unknown_steps=7)])
    assert finding.startswith("int8: nobody can tell whether others disturbed 7 of 100 measured steps")
    assert "significand doctor" in finding


def test_runs_without_a_steady_state_are_told_with_the_reason() -> None:
    """A mode whose latency did not settle says in how many runs, and what happened."""
    rows = [summary_row("int8", unsteady_runs=2, steady_reason="times grow by 6 % over the rounds")]
    assert findings(rows) == ["int8: 2 of 5 runs had no steady latency: times grow by 6 % over the rounds."]


def test_energy_is_called_an_estimate_only_where_it_is_one() -> None:
    """The heading and a line say that energy is estimated; measured energy is just energy."""
    assert "est. energy" in shown(summary_view([summary_row("int8")]))
    measured = shown(summary_view([summary_row("int8", energy_kind="measured")]))
    assert "est." not in measured
    assert "energy" in measured


def test_baseline_has_no_ratio() -> None:
    """A ratio of the baseline to itself would say nothing."""
    assert "×" not in shown(summary_view([summary_row("float32")]))
    text = shown(summary_view([summary_row("float32"), summary_row("int8")]))
    assert "×1±0" not in text
    assert "×: ratio to float32, paired by repeat, with its 95 % t interval" in text


def test_rows_of_the_specified_keys_are_enough() -> None:
    """Rows without any of our further keys are shown, without what those would tell."""
    specified = ("precision_mode", "repeats", "train_time", "latency", "memory", "accuracy", "energy")
    row = {
        key: value for key, value in summary_row("int8").items() if re.sub("_(mean|std|ci95)$", "", key) in specified
    }
    assert shown(summary_view([row])).count("±") == 6


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("name", ["[bold]x[/bold]", "[/]", "\\[red]", ":smile:", "[link=a]b"])
def test_hostile_names_are_shown_literally(name: str, width: int) -> None:
    """A name that looks like markup is neither interpreted nor an error, as a mode, a format or an engine."""
    row = summary_row(name, effective=name + "!", engine=name)
    text = shown(summary_view([summary_row("float32"), row]), width)
    assert any(line.startswith(name) for line in text.splitlines())
    assert f"{name} ran as {name}! on {name}." in " ".join(text.split())
    support = ModeSupport(name, name, "other", name, math.nan, name)
    assert shown(modes_view([support]), 120).count(name) == 4


def test_hostile_names_cannot_move_the_cursor() -> None:
    """Control characters become visible, and a name of any length is folded, not cut."""
    text = shown(summary_view([summary_row("a\x1b[2J\nb", effective="\x1b]0;x\x07"), summary_row("x" * 300)]))
    assert "\x1b" not in text
    assert "a\ufffd[2J\ufffdb" in text
    assert text.count("x") >= 300
    assert max(map(len, text.splitlines())) <= 80


def test_modes_say_what_really_runs() -> None:
    """The table of modes tells native from substituted from impossible, with the reason."""
    support = [
        ModeSupport("torch", "bfloat16", "native", "bfloat16", 4e-3, ""),
        ModeSupport("onnxruntime", "float16", "other", "float32", 5e-4, "weights rounded"),
        ModeSupport("onnxruntime", "bfloat16", "no", "", math.nan, "no such kernel"),
    ]
    lines = [re.split(r"\s{2,}", line.strip()) for line in shown(modes_view(support)).splitlines()]
    assert ["torch", "bfloat16", "native", "4e-03"] in [line[:4] for line in lines]
    assert [cell for line in lines for cell in line if cell == "as float32"]
    assert "no such kernel" in " ".join(cell for line in lines for cell in line)


def test_what_happened_to_several_modes_is_one_line_with_counts() -> None:
    """Failed runs, disturbed and unknown steps and unsteady latencies: one line each, with the first reason."""
    reasons = ["it rose", "it fell | it rose", "it fell"]
    rows = [
        summary_row(
            mode,
            failed_runs=place,
            disturbed_steps=2 * place,
            unknown_steps=3,
            steps=100,
            unsteady_runs=place,
            steady_reason=reasons[place],
        )
        for place, mode in enumerate(("float32", "int8", "int8-dynamic"))
    ]
    failed, disturbed, unknown, unsteady = findings(rows)
    assert failed == "int8 (1), int8-dynamic (2): 3 of 13 runs failed and are in no number."
    assert disturbed.startswith("int8 (2), int8-dynamic (4): others disturbed 6 of 200 measured steps; they are in the")
    assert unknown.startswith(
        "float32 (3), int8 (3), int8-dynamic (3): nobody can tell whether others disturbed 9 of 300"
    )
    assert unsteady == "int8 (1), int8-dynamic (2): 3 of 10 runs had no steady latency: it fell, ..."


def test_modes_that_ran_as_the_same_for_the_same_reason_share_a_line() -> None:
    """What differs only in the mode is said once; another reason is another line."""
    others = [summary_row(mode, effective="float32", precision_note="no kernels") for mode in ("float16", "bfloat16")]
    rows = [*others, summary_row("int8", effective="float32", precision_note="broken")]
    assert findings(rows) == [
        "float16, bfloat16 ran as float32 on onnxruntime: no kernels.",
        "int8 ran as float32 on onnxruntime: broken.",
    ]
    odd = [summary_row(mode, rounding_flag="something finer ran") for mode in ("float32", "int8")]
    assert findings(odd) == ["float32, int8: something finer ran."]
