"""Markers, lines and texts with every property set, so that no style of a user's Matplotlib changes them."""

from collections.abc import Iterable
from functools import cache

from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Transform
from matplotlib.typing import ColorType

INK, PALE_INK = "#222222", "#5A5A5A"

_FONT = "DejaVu Sans"  # ships with Matplotlib, so it is the same everywhere


def make_marker(shape: str, points: float, *, colour: str, on_frontier: bool | None) -> Line2D:
    """Make a marker: filled with a dark edge on the frontier, hollow off it, plain where it is not asked."""
    edge, edge_points = {None: ("white", 0.6), True: (INK, 1.2), False: (colour, 1.3)}[on_frontier]
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=shape,
        markersize=points,
        markerfacecolor="white" if on_frontier is False else colour,
        markeredgecolor=edge,
        markeredgewidth=edge_points,
        fillstyle="full",
        zorder=2.9 if on_frontier is False else 3,  # a hollow marker must not hide a member
    )


def make_line(xs: Iterable[float], ys: Iterable[float], *, colour: ColorType, width: float, zorder: float) -> Line2D:
    """Make a plain line."""
    return Line2D([*xs], [*ys], color=colour, linewidth=width, linestyle="-", marker="none", zorder=zorder)


def make_text(text: str, points: float, colour: ColorType, at: tuple[float, float], transform: Transform) -> Text:
    """Make a text that is drawn literally; what the font lacks would be an empty box and a warning."""
    literal = "".join(c if ord(c) in _known_characters() else "\ufffd" for c in text)
    made = Text(*at, literal, fontproperties=font(points), color=colour, usetex=False, parse_math=False)
    made.set(transform=transform, zorder=4, clip_on=False)
    return made


def dark(colour: str) -> tuple[float, float, float]:
    """Darken a marker's colour until text in it reads well on white."""
    red, green, blue = to_rgb(colour)
    return 0.65 * red, 0.65 * green, 0.65 * blue


@cache
def font(points: float) -> FontProperties:
    """Give the one font of the plots in a size."""
    return FontProperties(
        family=_FONT, size=points, style="normal", variant="normal", weight="normal", stretch="normal"
    )


@cache
def _known_characters() -> frozenset[int]:
    return frozenset(get_font(findfont(font(10.0))).get_charmap())  # the same in every size
