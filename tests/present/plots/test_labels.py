import numpy as np
import pytest

from significand.present.plots.labels import Pixels, nearest, place_beside, place_in_column

WINDOW = np.array([0.0, 0.0, 800.0, 500.0])
NOTHING = np.empty((0, 4))


def sizes(count: int) -> Pixels:
    """Make labels of one usual size."""
    return np.tile([60.0, 14.0], (count, 1))


def test_label_of_a_lone_point_is_right_of_it() -> None:
    """Where everything is free, a label stands level with its point, at its right."""
    marker = np.array([[390.0, 240.0, 410.0, 260.0]])
    boxes = place_beside(np.array([[400.0, 250.0]]), sizes(1), marker, WINDOW, marker_px=14.0)
    assert boxes is not None
    left, bottom, _, top = boxes[0]
    assert 410 <= left < 425
    assert bottom < 250 < top


@pytest.mark.parametrize("count", [1, 5])
def test_no_free_place_is_no_placement(count: int) -> None:
    """Where an obstacle covers everything, no label is forced onto it."""
    anchors = np.full((count, 2), 250.0)
    assert place_beside(anchors, sizes(count), WINDOW[np.newaxis], WINDOW, marker_px=14.0) is None


@pytest.mark.slow
def test_very_many_labels_are_not_tried() -> None:
    """Beyond a number of labels, their leaders would be a tangle even where there is room."""
    anchors = np.column_stack([np.full(17, 400.0), np.linspace(10, 490, 17)])
    assert place_beside(anchors[:16], sizes(16), NOTHING, WINDOW, marker_px=14.0) is not None
    assert place_beside(anchors, sizes(17), NOTHING, WINDOW, marker_px=14.0) is None


def test_column_follows_the_points_from_top_to_bottom() -> None:
    """In the column at the right no labels overlap, and their order is that of the points."""
    anchors = np.array([[400.0, 100.0], [400.0, 450.0], [400.0, 300.0]])
    boxes = place_in_column(anchors, sizes(3), WINDOW, gap_px=30.0)
    assert (boxes[:, 0] == 830.0).all()
    assert np.argsort(-boxes[:, 1]).tolist() == [1, 2, 0]
    assert (-np.diff(np.sort(-boxes[:, 1])) <= -14.0).all()


def test_leader_ends_at_the_nearest_edge() -> None:
    """A leader is as short as can be, and has no length where the point is in the box."""
    box = np.array([10.0, 10.0, 70.0, 24.0])
    assert nearest(np.array([0.0, 17.0]), box).tolist() == [10.0, 17.0]
    assert nearest(np.array([100.0, 100.0]), box).tolist() == [70.0, 24.0]
    assert nearest(np.array([20.0, 20.0]), box).tolist() == [20.0, 20.0]
