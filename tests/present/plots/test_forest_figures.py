"""Behaviour of the forest: what it draws are the numbers of the answer, and no text covers another."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from made_up_fleets import CORE, EPYC, XEON, made_up_fleet
from significand.answers.fleet import FleetAnswer, read_answer
from significand.present.plots.draw_forest import draw_forest
from significand.present.plots.drawn import ForestFigure
from significand.present.plots.forest_figures import MOST_HOSTS, forest_figure, of_panels
from significand.present.plots.paint import DPI
from significand.present.plots.ratio_figures import ratio_axis
from significand.present.plots.write import save_forest_plot


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> FleetAnswer:
    """Return what three kinds of hosts say."""
    return read_answer(made_up_fleet(tmp_path_factory.mktemp("fleets") / "usual"))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> FleetAnswer:
    """Return what as many hosts say as have a row each, in two setups."""
    kinds = ((EPYC, MOST_HOSTS - 10), (XEON, 9), (CORE, 1))
    folder = tmp_path_factory.mktemp("fleets") / "many"
    modes = ("float32", "int8", "float16")
    return read_answer(made_up_fleet(folder, kinds, apart=0.1, precision_modes=modes, repeats=2))


def test_hosts_stand_below_their_kind(answer: FleetAnswer) -> None:
    """A heading, the hosts, and what they say together; of one host nothing more."""
    rows = forest_figure(answer, "latency").rows
    assert [row.label for row in rows[:6]] == [
        "AMD EPYC 9654", "node01", "node02", "node03", "node04", "4 hosts together",
    ]  # fmt: skip
    assert [row.label for row in rows[-2:]] == ["Intel Core i7-1260P", "node08"]
    assert [row.role for row in rows[:2]] == ["heading", "host"]


def test_every_point_is_a_number_of_the_answer(answer: FleetAnswer) -> None:
    """Each host's ratio with its interval; a kind's mean with its interval and the next host's."""
    figure, one = forest_figure(answer, "latency"), answer.ratios["latency"]
    (panel,) = figure.panels
    by_row = {figure.rows[point.row].label: point for point in panel.points}
    assert by_row["node02"].point == np.exp(one.mean[1, 1])
    assert by_row["node02"].interval == (np.exp(one.low[1, 1]), np.exp(one.high[1, 1]))
    together = by_row["4 hosts together"]
    assert together.point == np.exp(one.point[0, 1])
    assert together.span == (np.exp(one.of_kind("prediction_low")[0, 1]), np.exp(one.of_kind("prediction_high")[0, 1]))
    assert (figure.neutral, figure.x.is_log) == (1.0, True)


def test_a_score_has_no_row_for_a_kind(answer: FleetAnswer) -> None:
    """Differences of scores stand on an axis of points, host by host, around 0."""
    figure = forest_figure(answer, "test_accuracy")
    assert {row.role for row in figure.rows} == {"heading", "host"}
    assert (figure.neutral, figure.x.is_log) == (0.0, False)
    assert figure.x.low < 0 < figure.x.high


def test_of_many_hosts_kinds_have_the_rows(tmp_path: Path) -> None:
    """Beyond so many hosts each kind has one row: its mean, and the middle of its hosts."""
    answer = read_answer(made_up_fleet(tmp_path / "fleet", ((EPYC, MOST_HOSTS), (XEON, 1)), repeats=2))
    figure = forest_figure(answer, "latency")
    assert [row.label for row in figure.rows] == [f"AMD EPYC 9654 ({MOST_HOSTS})", "Intel Xeon E5-2680 v4 (1)"]
    hosts = np.exp(answer.ratios["latency"].mean[:MOST_HOSTS, 1])
    assert figure.panels[0].points[0].span == pytest.approx(tuple(np.percentile(hosts, [5, 95])))
    assert len(forest_figure(answer, "test_accuracy").panels[0].points) == 2


def test_setups_beyond_the_panels_are_named_below(many: FleetAnswer) -> None:
    """The picture has few panels, and says what it leaves out."""
    figure = of_panels(forest_figure(many, "latency"), most=1)
    assert len(figure.panels) == 1
    assert figure.footnote.endswith("1 more setup: see host_ratios.csv")


@pytest.mark.slow
@pytest.mark.parametrize("which", ["answer", "many"])
def test_no_text_covers_another_or_leaves_the_page(which: str, request: pytest.FixtureRequest) -> None:
    """Also with as many hosts as have a row each."""
    figure = draw_forest(forest_figure(request.getfixturevalue(which), "latency"))
    texts = [*figure.texts, *figure.artists, *(one for axes in figure.axes for one in axes.artists)]
    boxes = [one.get_window_extent() for one in texts if isinstance(one, Text)]
    boxes += [one.get_window_extent() for axes in figure.axes for one in axes.texts]
    assert len(boxes) > 15
    for k, box in enumerate(boxes):
        assert figure.bbox.padded(1).contains(box.x0, box.y0)
        assert figure.bbox.padded(1).contains(box.x1, box.y1)
        for other in boxes[k + 1 :]:
            down = min(box.y1, other.y1) - max(box.y0, other.y0)
            across = min(box.x1, other.x1) - max(box.x0, other.x0)
            assert down < 2 or across < 2, (box, other)


def test_an_empty_forest_says_why(tmp_path: Path) -> None:
    """Without a setup to compare there is no picture; one without a panel still draws."""
    answer = read_answer(made_up_fleet(tmp_path / "fleet", ((EPYC, 2),), precision_modes=("float32",)))
    assert save_forest_plot(answer, tmp_path) == []
    assert draw_forest(ForestFigure("latency", ratio_axis("Ratio", []), (), (), 1.0, "", "", "")).axes


@pytest.mark.slow
def test_the_picture_is_a_png_of_the_specified_resolution(answer: FleetAnswer, tmp_path: Path) -> None:
    """At 140 DPI, written whole."""
    (path,) = save_forest_plot(answer, tmp_path)
    assert path.name == "ratio_by_host.png"
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size[0] > 4 * DPI
