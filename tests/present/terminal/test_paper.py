"""Behaviour of the table for papers: what it says, and that LaTeX and Markdown set it as it is."""

import re
from pathlib import Path

import pytest

from made_up_results import made_up_folder, made_up_runs
from significand.answers.folder import Folder, read_folder
from significand.present.terminal.paper import Entry, PaperTable, latex, latex_table, markdown_table, paper_table
from significand.results.records import FAILED, Run

TWO = [("Latency", "µs/sample"), ("Accuracy", "%")]


def evidence_of(folder: Path, runs: list[Run], **experiment: object) -> Folder:
    """Read a made-up folder of some runs."""
    return read_folder(made_up_folder(folder, runs, experiment=experiment))


@pytest.fixture
def table(tmp_path: Path) -> PaperTable:
    """Prepare the table of two modes, of which one is half as slow."""
    return paper_table(evidence_of(tmp_path / "r", made_up_runs(1) + made_up_runs(2, mode="int8", slower=0.5)))


def latency(table: PaperTable, mode: int) -> Entry:
    """Give the entry of latency."""
    return table.rows[mode][1][[heading for heading, _ in table.headings].index("Latency")]


def test_the_table_has_units_and_the_digits_of_the_intervals(table: PaperTable) -> None:
    """Each heading has its unit, each mean Student's half-width with two digits, each other mode its paired ratio."""
    assert table.headings == [
        ("Training", "ms/epoch"),
        ("Latency", "µs/sample"),
        ("Peak memory", "MB"),
        ("Training accuracy", "%"),
        ("Test accuracy", "%"),
        ("Est. energy", "J/epoch"),
    ]
    assert [formats for formats, _ in table.rows] == [("float32", "", "float32"), ("int8", "", "int8")]
    written = re.fullmatch(r"\d\.(\d+)±0\.(0*[1-9]\d)", latency(table, 0).mean)
    assert written
    assert len(written[1]) == len(written[2])
    assert latency(table, 0).ratio == ""
    assert re.fullmatch(r"×0\.[45]\d+", latency(table, 1).ratio)
    assert re.fullmatch(r"0\.[45]\d+–0\.5\d+", latency(table, 1).interval)


def test_the_half_width_is_students(tmp_path: Path) -> None:
    """With two runs t is 12.7, so the interval is 6.5 times as wide as the run's table has it."""
    results = evidence_of(tmp_path / "two", made_up_runs(3, n=2))
    (row, _) = results.rows
    half_width = float(latency(paper_table(results), 0).mean.partition("±")[2])
    assert half_width * 1e-6 == pytest.approx(12.706 / 1.96 * float(str(row["latency_ci95"])), rel=0.05)


def test_notes_say_what_the_numbers_are_and_where_they_are_from(table: PaperTable) -> None:
    """What ± and × are, that energy is estimated, network, threads, program and processor."""
    means, ratios, energy, origin = table.notes
    assert (
        means
        == "Means over 8 runs; ±: half-width of the 95 % interval (Student's t), of these minutes on this machine."
    )
    assert ratios == "×: ratio to float32, paired by repeat, with its 95 % t interval."
    assert energy.startswith("Est. energy: CPU time restated")
    assert re.fullmatch(
        r"Network 16-32-4, batches of 16, \d+ threads; "
        r"measured with significand 0\.1\.0 and onnxruntime on Made-up 9000\.",
        origin,
    )


def test_single_runs_failures_and_sequential_intervals_are_told(tmp_path: Path) -> None:
    """One run has no interval; a failed mode is a row of dashes and a note; intervals that stop are sequential."""
    one = paper_table(evidence_of(tmp_path / "one", made_up_runs(1, n=1) + made_up_runs(2, n=1, mode="int8")))
    assert one.notes[0] == "One run each: no interval."
    assert one.notes[1] == "×: ratio to float32, paired by repeat."
    assert "±" not in latex_table(one) + markdown_table(one)
    failed = [Run(seed=7, precision_mode="int8", status=FAILED, reason="died")]
    some = paper_table(evidence_of(tmp_path / "failed", made_up_runs(1, n=4) + failed))
    assert {entry.mean for entry in some.rows[1][1]} == {"–"}
    assert "int8: 1 of 1 runs failed and are in no number." in some.notes
    assert markdown_table(some).splitlines()[3] == "| int8 | – | – | – | – | – | – | – | – |"
    until = paper_table(evidence_of(tmp_path / "until", made_up_runs(1, n=12), until=0.01))
    assert "(Student's t, sequential)" in until.notes[0]


def test_latex_is_a_booktabs_table() -> None:
    """Headings above units; below each mode what it computed in, below each mean its ratio and that one's interval."""
    rows = [
        (("float32", "float32", "float32"), [Entry("6.9±1.3"), Entry("98.11±0.17")]),
        (("int8", "float32", "int8"), [Entry("1.2e+08±3e-05", "×0.344", "0.278–0.427"), Entry("–")]),
        (("gone", "", ""), [Entry("–"), Entry("–")]),
    ]
    headings = [("Latency", "µs/sample"), ("Test accuracy", "%")]
    assert latex_table(PaperTable(headings, rows, ["±: 95 %."])).splitlines() == [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering\footnotesize\setlength{\tabcolsep}{3pt}",
        r"  \caption{$\pm$: 95~\%.}",
        r"  \label{tab:significand}",
        r"  \begin{tabular}{@{}lrr@{}}",
        r"    \toprule",
        r"     &  & Test \\",
        r"    Mode & Latency & accuracy \\",
        r"     & (\textmu{}s/sample) & (\%) \\",
        r"    \midrule",
        r"    float32 & $6.9 \pm 1.3$ & $98.11 \pm 0.17$ \\",
        r"    \scriptsize trains float32 &  &  \\",
        r"    \scriptsize infers float32 &  &  \\",
        r"    \addlinespace",
        r"    int8 & $1.2 \cdot 10^{8} \pm 3 \cdot 10^{-5}$ & -- \\",
        r"    \scriptsize trains float32 & \scriptsize $\times 0.344$ &  \\",
        r"    \scriptsize infers int8 & \scriptsize $0.278$--$0.427$ &  \\",
        r"    \addlinespace",
        r"    gone & -- & -- \\",
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]


HOSTILE = [
    r"\input{/etc/passwd}",
    "a & b \\\\ c",
    "100% $x_1^2$ #3 ~ {",
    "[2ex] *",
    "<script>|`'\"",
    "int8--dynamic---x",
    "\u202eevil\x1b[2J\n",
    "×±µ–",
    300 * "x_",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_latex_sets_any_text_as_it_is(text: str, tmp_path: Path) -> None:
    """No text makes a command, ends a cell, a line or a group, or becomes a ligature or an option of a command."""
    escaped = latex(text)
    known = (
        r"\\(textbackslash|textasciicircum|textasciitilde|textasciigrave|textless|textgreater|textbar|char34|textmu){}"
    )
    rest = re.sub(known + r"|\\[{}$&#%_]|\$\\(pm|times)\$|~\\%|-{}(?=-)|{[][*]}", "", escaped)
    assert not set(rest) & set('\\{}$&#%_^~<>|`"[]*\n\x1b\u202e')
    assert len(re.sub(r"\s", "", escaped)) >= len(re.sub(r"\s", "", text))
    runs = made_up_runs(1, n=2) + made_up_runs(2, n=2, mode=text.replace("\n", " "))
    whole = latex_table(paper_table(evidence_of(tmp_path / "hostile", runs)))
    body = whole.partition(r"\midrule")[2].partition(r"\bottomrule")[0]
    cells = {len(re.findall(r"(?<!\\)&", line)) for line in body.splitlines() if line.endswith(r"\\")}
    assert cells == {6}


def test_markdown_shows_ratios_in_brackets_and_escapes_names() -> None:
    """A cell holds the mean, and in brackets the ratio with its interval; a name cannot break the table."""
    rows = [(("a|b*", "", "int8"), [Entry("6.9±1.3", "×0.34", "0.28–0.43"), Entry("98.1", "×2")])]
    assert markdown_table(PaperTable(TWO, rows, ["A | note."])).splitlines() == [
        "| Mode | Trained in | Inferred in | Latency, µs/sample | Accuracy, % |",
        "| --- | --- | --- | ---: | ---: |",
        "| a&#124;b&#42; | – | int8 | 6.9±1.3 (×0.34, 0.28–0.43) | 98.1 (×2) |",
        "",
        "- A &#124; note.",
    ]
