import errno
import math
import os
import shutil
import subprocess
import sys
from contextvars import Context
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from significand.present.plots.drawing import LABEL_GID, LEADER_GID, draw
from significand.present.plots.figures import pareto_figure, tradeoff_figure
from significand.present.plots.paint import BOX_GID, DPI
from significand.present.plots.write import PlotError, one_artist, save_pareto_plot, save_tradeoff_plots

pytestmark = pytest.mark.slow

MODES = ("float64", "float32", "bfloat16", "float16", "int8", "int8-dynamic")
METRICS = ("train_time", "latency", "memory", "accuracy", "energy")
Rows = list[dict[str, object]]


def summary_row(mode: str, latency: float = 0.37e-6, accuracy: float = 0.99, repeats: int = 5) -> dict[str, object]:
    """Make a row with exactly the specified keys."""
    row: dict[str, object] = {"precision_mode": mode, "repeats": repeats}
    for metric, mean in zip(METRICS, (0.03, latency, 3.2, accuracy, 0.012), strict=True):
        half_width = math.nan if repeats < 2 else 0.001 if metric == "accuracy" else 0.02 * mean
        row |= {f"{metric}_mean": mean, f"{metric}_std": half_width, f"{metric}_ci95": half_width}
    return row


def typical_rows() -> Rows:
    """Make what one run of three modes gives."""
    float16 = summary_row("float16", 0.375e-6, 0.9899) | {"effective_precision": "float32"}
    return [summary_row("float32"), float16, summary_row("int8", 0.11e-6, 0.9862)]


def spread_rows(count: int) -> Rows:
    """Make setups on a curve, as they come out of a grid."""
    return [
        summary_row(MODES[i % 6] + "x" * (i // 6), (0.1 + 0.07 * i) * 1e-6, 0.985 + 0.0004 * (i % 7))
        for i in range(count)
    ]


SETUPS = {
    "typical": typical_rows(),
    "one": typical_rows()[:1],
    "six": spread_rows(6),
    "twelve": spread_rows(12),
    "six equal": [summary_row(mode) for mode in MODES],
    "twelve nearly equal": [summary_row(MODES[i % 6], (370 + i) * 1e-9, 0.99 + 1e-5 * i) for i in range(12)],
    "single repeats": [summary_row(mode, repeats=1) for mode in MODES],
    "too many to stand beside": spread_rows(40),
    "very wide names": [summary_row("W" * 300 + str(i)) | {"engine": "W" * 99 + str(i % 2)} for i in range(4)],
}
on_all_setups = pytest.mark.parametrize("name", SETUPS)


def save_by_itself(rows: Rows, folder: Path) -> Path:
    """Save the frontier as drawn by a process that is started for it alone, whatever other tests share."""
    return Context().run(save_pareto_plot, rows, folder)


@cache
def drawn(name: str) -> tuple[Figure, Figure]:
    """Draw setups as the plot of the latency and as the frontier, once for several tests that only look."""
    return draw(tradeoff_figure(SETUPS[name], "latency")), draw(pareto_figure(SETUPS[name]))


def drawn_boxes(figure: Figure) -> tuple[list[Bbox], list[Bbox]]:
    """Draw and measure: the boxes of the labels, and those of the markers, bars and the frontier."""
    figure.canvas.draw()
    axes = figure.axes[0]
    labels = [text.get_window_extent() for text in axes.findobj(Text) if text.get_gid() == LABEL_GID]
    marks = []
    for line in axes.lines:
        if line.get_gid() is None:
            corners = axes.transData.transform(np.asarray(line.get_xydata()))
            for start, end in pairwise(corners) if len(corners) > 1 else [(corners[0], corners[0])]:
                box = Bbox.from_extents(*np.minimum(start, end), *np.maximum(start, end))
                marks.append(box.padded(line.get_markersize() / 2 * 140 / 72 if line.get_marker() != "none" else 0))
    return labels, marks


def overlap(a: Bbox, b: Bbox) -> bool:
    """Tell whether two boxes share an area."""
    return bool(a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1)


def drawn_texts(figure: Figure) -> list[str]:
    """List all texts of the figure."""
    return [text.get_text() for text in figure.findobj(Text)]


def pixels(path: Path) -> np.ndarray:
    """Read an image's pixels."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_four_files_at_140_dpi(tmp_path: Path) -> None:
    """The specified files are written, say 140 DPI in their metadata, and nothing else is left behind."""
    paths = [*save_tradeoff_plots(typical_rows(), tmp_path), save_pareto_plot(typical_rows(), tmp_path)]
    names = [
        "accuracy_vs_latency.png",
        "accuracy_vs_energy.png",
        "accuracy_vs_memory.png",
        "pareto_frontier.png",
    ]
    assert paths == [tmp_path / name for name in names]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    for path in paths:
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert image.info["dpi"] == pytest.approx((140, 140), abs=0.1)


@on_all_setups
def test_labels_collide_with_nothing(name: str) -> None:
    """No label overlaps another label, a marker, a bar or the frontier, and all are on the page."""
    for figure in drawn(name):
        labels, marks = drawn_boxes(figure)
        assert len(labels) == len(SETUPS[name])
        assert not any(overlap(a, b) for a, b in combinations(labels, 2))
        assert not any(overlap(label, mark) for label in labels for mark in marks)
        page = figure.bbox
        for box in labels:
            assert page.x0 <= box.x0 < box.x1 <= page.x1
            assert page.y0 <= box.y0 < box.y1 <= page.y1


@on_all_setups
def test_no_text_is_cut_off(name: str) -> None:
    """Every text, including ticks, axis labels and footnotes, is wholly on the page."""
    notes = [row | {"failed_runs": 2} for row in SETUPS[name]]
    figure = draw(pareto_figure(notes))
    drawn_boxes(figure)
    for text in figure.findobj(Text):
        if text.get_text() and text.get_visible():
            box = text.get_window_extent()
            assert box.x0 >= 0, text
            assert box.y0 >= 0, text
            assert box.x1 <= figure.bbox.x1, text
            assert box.y1 <= figure.bbox.y1, text


@on_all_setups
def test_leaders_cross_no_label(name: str) -> None:
    """A leader touches the label that it belongs to, and no other."""
    figure, _ = drawn(name)
    labels = [box.padded(0.5) for box in drawn_boxes(figure)[0]]
    low, high = np.array([box.min for box in labels]), np.array([box.max for box in labels])
    for line in figure.findobj(Line2D):
        if line.get_gid() == LEADER_GID:
            start, end = np.asarray(line.get_xydata())
            track = start + np.linspace(0, 1, 200)[:, None] * (end - start)
            inside = ((track[:, None] >= low) & (track[:, None] <= high)).all(axis=2)
            assert inside.any(axis=0).sum() == 1


def test_far_labels_have_a_leader() -> None:
    """Where points crowd, labels that had to move away are joined to their points."""
    figure = draw(tradeoff_figure(SETUPS["twelve nearly equal"], "latency"))
    assert [line for line in figure.findobj(Line2D) if line.get_gid() == LEADER_GID]
    alone = draw(tradeoff_figure(typical_rows()[:1], "latency"))
    assert not [line for line in alone.findobj(Line2D) if line.get_gid() == LEADER_GID]


def test_no_bar_for_one_repeat() -> None:
    """With one repeat only the marker is drawn, no bars of length zero."""
    for repeats, n_marks in ((1, 1), (2, 3)):
        _, marks = drawn_boxes(draw(tradeoff_figure([summary_row("int8", repeats=repeats)], "latency")))
        assert len(marks) == n_marks


def test_confidence_boxes_are_drawn_where_they_were_prepared() -> None:
    """Each prepared box is a rectangle between its own ends; a setup without intervals has none."""
    intervals = {
        "latency_ci95_t_low": 1e-7,
        "latency_ci95_t_high": 5e-7,
        "accuracy_ci95_t_low": 0.9,
        "accuracy_ci95_t_high": 1.0,
    }
    prepared = pareto_figure([summary_row("int8", 3e-7, 0.95) | intervals, summary_row("float32", 4e-7, 0.99)])
    (drawn,) = (patch for patch in draw(prepared).axes[0].patches if patch.get_gid() == BOX_GID)
    assert isinstance(drawn, Rectangle)
    point = prepared.points[0]
    assert point.x_box == pytest.approx((drawn.get_x(), drawn.get_x() + drawn.get_width()))
    assert point.y_box == pytest.approx((drawn.get_y(), drawn.get_y() + drawn.get_height()))


def test_frontier_is_told_by_more_than_colour() -> None:
    """Members are filled with a dark edge, dominated points are hollow, and a key says so."""
    rows = [
        summary_row("int8", 1e-7, 0.98),
        summary_row("float16", 3e-7, 0.97),
        summary_row("float32", 2e-7, 0.99),
    ]
    figure = draw(pareto_figure(rows))
    markers = {line.get_marker(): line for line in figure.axes[0].lines}
    assert markers["v"].get_markerfacecolor() == "#CC79A7"
    assert markers["o"].get_markeredgecolor() == markers["v"].get_markeredgecolor() != "#CC79A7"
    assert markers["s"].get_markerfacecolor() == "white"
    assert {"on the frontier", "dominated", "frontier"} <= set(drawn_texts(figure))


@pytest.mark.parametrize("rows", [[], [{"precision_mode": "int8", "repeats": 0}]])
def test_nothing_to_draw_is_still_a_picture(rows: Rows, tmp_path: Path) -> None:
    """Without a drawable row every file is written and says that there is nothing."""
    assert all(path.exists() for path in [*save_tradeoff_plots(rows, tmp_path), save_pareto_plot(rows, tmp_path)])
    prepared = pareto_figure(rows)
    assert prepared.message in drawn_texts(draw(prepared))


def test_failed_mode_is_said_in_the_plot() -> None:
    """A mode without a finished run is named below the axes."""
    rows = [*typical_rows(), {"precision_mode": "bfloat16", "repeats": 0}]
    assert "bfloat16: no finished run" in drawn_texts(draw(tradeoff_figure(rows, "memory")))


@pytest.mark.parametrize("name", ["$\\frac{1}", "a$b$c", "_hidden", "{}%s\\n", "<b>&amp;", "", "  "])
def test_hostile_names_are_drawn_literally(name: str, tmp_path: Path) -> None:
    """A name that looks like mathematics or markup is neither interpreted nor an error."""
    rows = [summary_row(name) | {"effective_precision": name + "$"}]
    save_pareto_plot(rows, tmp_path)
    figure = draw(tradeoff_figure(rows, "latency"))
    labels = [text for text in figure.findobj(Text) if text.get_gid() == LABEL_GID]
    assert name in labels[0].get_text()
    assert not labels[0].get_parse_math()


def test_characters_without_a_glyph_are_replaced(tmp_path: Path) -> None:
    """A character that the font lacks is shown as a replacement, without a warning."""
    rows = [summary_row("精度\ud800")]
    save_pareto_plot(rows, tmp_path)
    labels = [text for text in draw(pareto_figure(rows)).findobj(Text) if text.get_gid() == LABEL_GID]
    assert labels[0].get_text() == "\ufffd" * 3


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw a picture in a process of its own where nothing is in the way, to hold others against."""
    return save_by_itself(typical_rows(), tmp_path_factory.mktemp("plain"))


def test_a_style_of_the_user_changes_nothing(plain: Path, tmp_path: Path) -> None:
    """The pictures do not depend on the user's settings, and leave those as they are."""
    settings: dict[str, object] = {
        "text.usetex": True,
        "figure.dpi": 50,
        "savefig.dpi": 300,
        "savefig.bbox": "tight",
        "figure.facecolor": "black",
        "axes.facecolor": "black",
        "axes.labelcolor": "red",
        "axes.labelweight": "bold",
        "axes.titlesize": 30,
        "axes.grid": True,
        "axes.grid.axis": "x",
        "axes.spines.top": True,
        "figure.autolayout": True,
        "font.family": "monospace",
        "font.size": 22,
        "grid.linestyle": ":",
        "lines.linewidth": 5,
        "lines.markersize": 20,
        "lines.linestyle": "--",
        "lines.marker": "x",
        "text.color": "red",
        "xtick.direction": "in",
        "xtick.minor.visible": True,
        "xtick.top": True,
        "ytick.color": "red",
        "ytick.labelsize": 30,
        "legend.fontsize": 30,
        "legend.frameon": True,
    }
    with rc_context(settings):  # type: ignore[arg-type]  # the stub lists the keys one by one
        before = dict(mpl.rcParams)
        styled = save_by_itself(typical_rows(), tmp_path / "styled")
        assert dict(mpl.rcParams) == before
    assert np.array_equal(pixels(plain), pixels(styled))


def test_same_rows_give_the_same_picture(tmp_path: Path) -> None:
    """Nothing in the layout is left to chance."""
    first = save_pareto_plot(spread_rows(6), tmp_path / "first").read_bytes()
    assert save_pareto_plot(spread_rows(6), tmp_path / "second").read_bytes() == first


def test_failed_write_keeps_the_old_file(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full, the old picture stays, and no temporary file is left."""
    path = Path(shutil.copy(plain, tmp_path))
    old = path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, f"No space left on device (file {descriptor})")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        save_pareto_plot(spread_rows(6), tmp_path)
    assert path.read_bytes() == old
    assert [*tmp_path.iterdir()] == [path]


def test_bad_row_writes_nothing(tmp_path: Path) -> None:
    """If one plot of a set cannot be prepared, none of the set is written."""
    rows = [summary_row("int8") | {"memory_mean": "much"}]
    with pytest.raises(ValueError, match="memory_mean is 'much'"):
        save_tradeoff_plots(rows, tmp_path / "plots")
    assert not (tmp_path / "plots").exists()


def test_resolution_is_the_specified_one() -> None:
    """The resolution is 140 DPI, for all figures alike."""
    assert DPI == draw(pareto_figure([])).dpi == 140


def hostile_home(folder: Path) -> dict[str, str]:
    """Return variables that point Matplotlib to a file that it cannot even decode."""
    folder.mkdir()
    (folder / "matplotlibrc").write_bytes(b"backend: nonsense\nfont.size: 40\n\xff\xfe")
    return {"MPLCONFIGDIR": str(folder), "MATPLOTLIBRC": str(folder)}


@pytest.mark.parametrize(
    "variables",
    [
        {"MPLBACKEND": "module://matplotlib_inline.backend_inline"},
        {"MPLBACKEND": "nonsense", "HOME": "/nonexistent", "XDG_CACHE_HOME": "relative"},
        {"HOME": "", "XDG_CACHE_HOME": "/proc/nowhere"},
        {"FREETYPE_PROPERTIES": "truetype:interpreter-version=35"},
    ],
    ids=["Jupyter", "nonsense", "no home", "font engine"],
)
def test_nothing_of_the_environment_reaches_a_picture(
    variables: dict[str, str], plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables, a settings file that cannot be read, here and in the home folder, no home: the same picture."""
    for name, value in (hostile_home(tmp_path / "home") | variables).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path / "home")
    assert save_by_itself(typical_rows(), tmp_path / "again").read_bytes() == plain.read_bytes()
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["matplotlibrc"]


def test_making_a_picture_does_not_import_matplotlib(tmp_path: Path) -> None:
    """A Matplotlib that would change or break the user's program is not touched in it."""
    code = (
        "import sys; from pathlib import Path; from significand.present.plots.write import save_pareto_plot as save\n"
        "import significand.present.page.layout, significand.present.page\n"
        "save([], Path(sys.argv[1])); print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("raise ImportError('no module named matplotlib')", "no module named matplotlib"),
        ("import os; os.kill(os.getpid(), 9)", "ended with -9"),
        ("import time; time.sleep(60)", r"nothing was drawn after 0\.2 s"),
    ],
    ids=["broken", "killed", "hangs"],
)
def test_pictures_that_cannot_be_drawn_are_told(
    code: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever becomes of the process that draws, it is one error with the cause, and nothing is written."""
    monkeypatch.setattr("significand.present.plots.write.DRAWING_TIMEOUT_S", 0.2 if "sleep" in code else 60.0)
    monkeypatch.setattr("significand.runner.companion.END_TIMEOUT_S", 0.2 if "sleep" in code else 60.0)
    monkeypatch.setattr(
        "significand.runner.companion.python",
        lambda real, *words: [sys.executable, "-c", code, *words],  # noqa: ARG005
    )
    with pytest.raises(PlotError, match=rf"^the pictures \(PNG\) could not be drawn \(.*{cause}\); no number is lost"):
        save_by_itself(typical_rows(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_interpreter_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a Python that cannot be started cost more than the pictures, when they are to be drawn."""
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))

    def drawn() -> None:
        with one_artist():
            save_tradeoff_plots(typical_rows(), tmp_path)

    with pytest.raises(PlotError, match="No such file"):
        Context().run(drawn)


def test_a_block_within_another_has_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one draws already no second one is started: a Python that cannot be started any more does no harm."""
    with one_artist():
        monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
        with one_artist() as rests:
            rests()
            assert save_pareto_plot(typical_rows(), tmp_path).exists()
