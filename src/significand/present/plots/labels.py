"""Where the labels of the points go: geometry in pixels on the page, without Matplotlib."""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float64]  # one row per box (left, bottom, right, top) or per position (x, y)

_REACH_PX = 170.0  # a label farther from its point than this is hard to attribute
_GRID_PX = 6.0
_MAX_BESIDE = 16  # more labels than this beside their points would be a tangle
_MAX_CANDIDATES = 250  # of the free places, the nearest ones are compared; more only cost time
_LABEL_PAD = np.array([-4.0, -2.0, 4.0, 2.0])


def place_beside(
    anchors: Pixels, sizes: Pixels, obstacles: Pixels, window: Pixels, *, marker_px: float
) -> Pixels | None:
    """Place every label near its point and clear of all else.

    Labels are placed one after the other, each in its best free place. As the order matters, a few orders are
    tried, and the outcome with the shortest leaders is kept.

    Parameters
    ----------
    anchors
        Where the points are, one row (x, y) each.
    sizes
        Of the labels, one row (width, height) each.
    obstacles
        Boxes that no label may cover.
    window
        The box in which all labels must be.
    marker_px
        Size of a marker; a leader keeps clear of the other points' markers.

    Returns
    -------
    numpy.ndarray or None
        A box per label; None where no order finds a free place for all.
    """
    if len(anchors) > _MAX_BESIDE:
        return None
    x, y = anchors.T
    outcomes = []
    for order in (np.lexsort((x, -y)), np.lexsort((y, x)), np.lexsort((y, -x)), np.lexsort((x, y))):
        boxes = np.full((len(anchors), 4), np.nan)
        total = 0.0
        for n_placed, i in enumerate(order):
            done = order[:n_placed]
            candidates = _candidates(anchors[i], sizes[i], window)
            free = ~_overlaps(candidates, np.vstack([obstacles, boxes[done] + _LABEL_PAD]))
            candidates = candidates[free][:_MAX_CANDIDATES]
            costs = _costs(candidates, i, anchors, boxes, done, marker_px)
            if not np.isfinite(costs).any():
                break
            boxes[i] = candidates[costs.argmin()]
            total += costs.min()
        else:
            outcomes.append((total, boxes))
    return min(outcomes, key=lambda outcome: outcome[0])[1] if outcomes else None


def place_in_column(anchors: Pixels, sizes: Pixels, window: Pixels, *, gap_px: float) -> Pixels:
    """Stack the labels at the right of the axes, which fits always, in an order with few crossing leaders.

    Parameters
    ----------
    anchors, sizes
        As for `place_beside`.
    window
        The box of the axes, over whose height the labels are spread.
    gap_px
        Between the axes and the labels.

    Returns
    -------
    numpy.ndarray
        A box per label.
    """
    _, bottom, right, top = window
    count = len(anchors)
    middles = top - (np.arange(count) + 0.5) * (top - bottom) / count
    places = np.column_stack([np.full(count, right + gap_px), middles])
    order = np.lexsort((anchors[:, 0], -anchors[:, 1]))
    for _ in range(count):  # like a bubble sort: each pass parts neighbours whose leaders cross
        for upper in range(count - 1):
            first, second = order[upper : upper + 2]
            if _cross(anchors[first], places[upper], anchors[second], places[upper + 1]):
                order[upper : upper + 2] = second, first
    boxes = np.empty((count, 4))
    boxes[order, :2] = places - sizes[order] * [0.0, 0.5]
    boxes[:, 2:] = boxes[:, :2] + sizes
    return boxes


def _candidates(anchor: Pixels, size: Pixels, window: Pixels) -> Pixels:
    """List the boxes of a label on a grid around its anchor that lie in the window, nearest first."""
    n_x, n_y = ((_REACH_PX + size / 2) // _GRID_PX).astype(int)
    shifts = np.mgrid[-n_x : n_x + 1, -n_y : n_y + 1].reshape(2, -1).T * _GRID_PX
    low = anchor - size / 2 + shifts
    boxes = np.hstack([low, low + size])
    distance = np.hypot(*(nearest(anchor, boxes) - anchor).T)
    inside = (low >= window[:2] + _LABEL_PAD[2]).all(axis=1) & (low + size <= window[2:]).all(axis=1)
    order = distance.argsort(kind="stable")
    kept: Pixels = boxes[order[(inside & (distance <= _REACH_PX))[order]]]
    return kept


def _overlaps(boxes: Pixels, obstacles: Pixels) -> NDArray[np.bool_]:
    """Tell for every box whether it overlaps any of the obstacles."""
    low, high = boxes[:, :2], boxes[:, 2:]
    overlaps = np.zeros(len(boxes), dtype=np.bool_)
    for obstacle in obstacles:
        overlaps |= ((low < obstacle[2:]) & (high > obstacle[:2])).all(axis=1)
    return overlaps


def _costs(
    candidates: Pixels, i: int, anchors: Pixels, boxes: Pixels, done: NDArray[np.intp], marker_px: float
) -> Pixels:
    """Rate places for label i: short leaders that cross nothing are good, one that crosses a label is out."""
    ends = nearest(anchors[i], candidates)
    distance = np.hypot(*(ends - anchors[i]).T)
    centre_shift = (candidates[:, :2] + candidates[:, 2:]) / 2 - anchors[i]
    # Right of the point and level with it reads best; the weights only break near ties.
    costs: Pixels = distance + 0.15 * np.abs(centre_shift[:, 1]) + 3.0 * (centre_shift[:, 0] < 0)
    rivals = np.delete(anchors, i, axis=0)
    if len(rivals):
        to_rivals = np.hypot(*np.moveaxis(nearest(rivals, candidates[:, None]) - rivals, 2, 0)).min(axis=1)
        costs += 30.0 * (to_rivals < distance)
    along = _along(anchors[i], ends)
    for rival in rivals[np.hypot(*(rivals - anchors[i]).T) > 2 * marker_px]:
        costs += 40.0 * (np.abs(along - rival).max(axis=2) < marker_px / 2).any(axis=0)
    for j in done:
        other_end = nearest(anchors[j], boxes[j])
        costs[_inside(along, boxes[j]).any(axis=0)] = np.inf
        costs[_inside(_along(anchors[j], other_end)[:, None], candidates).any(axis=0)] = np.inf
        costs += 50.0 * _cross(anchors[i], ends, anchors[j], other_end)
    return costs


def nearest(anchors: Pixels, boxes: Pixels) -> Pixels:
    """Find the point of each box that is nearest to the anchor: where its leader ends."""
    ends: Pixels = np.clip(anchors, boxes[..., :2], boxes[..., 2:])
    return ends


def _along(start: Pixels, end: Pixels) -> Pixels:
    """Sample the line from `start` to each end, along a new first dimension."""
    return np.asarray(start + np.multiply.outer(np.linspace(0.0, 1.0, 40), end - start))


def _inside(positions: Pixels, boxes: Pixels) -> NDArray[np.bool_]:
    """Tell which positions are in a box or touch it."""
    return np.asarray(((positions > boxes[..., :2] - 1.0) & (positions < boxes[..., 2:] + 1.0)).all(axis=-1))


def _cross(start: Pixels, ends: Pixels, other_start: Pixels, other_end: Pixels) -> NDArray[np.bool_]:
    """Tell which of the lines from `start` to `ends` cross the other line; touching is not crossing."""

    def side(a: Pixels, b: Pixels, c: Pixels) -> Pixels:
        u, v = b - a, c - a
        return np.asarray(np.sign(u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]))

    parted = side(start, ends, other_start) * side(start, ends, other_end) < 0
    return np.asarray(parted & (side(other_start, other_end, start) * side(other_start, other_end, ends) < 0))
