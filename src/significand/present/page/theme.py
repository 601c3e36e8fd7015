"""Colours of the page, light and dark: named once here, used by style sheet and charts through CSS variables.

Charts name the variables instead of colours, so that one chart serves both themes, and paper, without being drawn anew.
"""

import colorsys
from collections.abc import Mapping, Sequence

from significand.present.page.setups import ShownSetup

COLOURS = {
    "paper": ("#ffffff", "#15181c"),
    "raised": ("#f5f6f7", "#1e2227"),
    "ink": ("#1c1f23", "#e9ebee"),
    "muted": ("#575d66", "#a7aeb8"),
    "line": ("#dcdfe3", "#363c44"),
    "accent": ("#0b5cad", "#7ab8f5"),
    "good": ("#1b6e2d", "#72cd84"),
    "bad": ("#b3261e", "#ff8f85"),
}
"""By name: in the light and in the dark. Every text colour has a contrast of at least 4.5 on paper and raised."""


def variable(name: str) -> str:
    """Return a colour for a chart."""
    return f"var(--{name})"


def mode_variable(index: int) -> str:
    """Return the colour of a setup for a chart."""
    return variable(f"mode-{index}")


def variables(setups: Sequence[ShownSetup]) -> str:
    """Return the declarations of all colours, the setups' among them."""
    return declarations({f"mode-{setup.index}": setup.style.colour for setup in setups})


def declarations(colours: Mapping[str, str]) -> str:
    """Return the declarations of the page's own colours and of further ones, given by name as they are on white."""
    pairs = COLOURS | {name: (colour.lower(), on_dark(colour)) for name, colour in colours.items()}
    return "".join(f"--{name}:light-dark({light},{dark});" for name, (light, dark) in pairs.items())


def on_dark(colour: str) -> str:
    """Return a colour for a dark ground: the same hue, as light there as it is dark on white."""
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    channels = colorsys.hls_to_rgb(hue, max(lightness, 1 - lightness), saturation)
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in channels)


FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

CHART_CONFIG: dict[str, object] = {
    "background": "transparent",
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "domainColor": variable("muted"),
        "tickColor": variable("muted"),
        "gridColor": variable("line"),
        "gridOpacity": 0.7,
        "labelColor": variable("ink"),
        "titleColor": variable("ink"),
        "labelFontSize": 12,
        "titleFontSize": 13,
        "titleFontWeight": 500,
        "titlePadding": 10,
        "labelPadding": 4,
    },
    "legend": {"labelColor": variable("ink"), "titleColor": variable("ink"), "labelFontSize": 12, "orient": "top"},
    "text": {"color": variable("ink"), "fontSize": 12},
}
"""Vega-Lite's configuration of every chart."""
