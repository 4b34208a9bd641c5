"""The map as one picture, drawn on the server: for browsers without WebGL, for print, and for screen readers."""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

WIDTH = 1000.0
# Ratio of height to width: a city far longer than wide still makes a picture that fits a screen.
_LEAST_RATIO, _GREATEST_RATIO = 0.5, 1.5
_MARGIN = 24.0
_STYLE = """
.ground{fill:#f4f4f2}.street{fill:none;stroke:#d0d0cc;stroke-width:1}.street.major{stroke-width:2.2}
.round{fill:none;stroke:#23527c;stroke-width:2;opacity:.5}
.ok{fill:#5b7f95}.watch{fill:#855600}.urgent{fill:#b3261e}.unknown{fill:url(#hatch);stroke:#707070}
.depot{fill:#333}.truck{fill:#23527c;stroke:#fff;stroke-width:1.5}
text{font:11px sans-serif;fill:#222}
@media (prefers-color-scheme:dark){.ground{fill:#1d1f21}.street{stroke:#3a3d40}text{fill:#ddd}.depot{fill:#ccc}
.round{stroke:#7fb0dd}.truck{fill:#7fb0dd}}
"""
_WORDS = {"ok": "calm", "watch": "to watch", "urgent": "urgent", "unknown": "unknown"}
_ORDER = {"ok": 0, "unknown": 1, "watch": 2, "urgent": 3}


class Projection:
    """Degrees to the picture's units, north up.

    Parameters
    ----------
    bounds
        West, south, east, north in degrees.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        west, south, east, north = bounds
        self._squeeze = math.cos(math.radians((south + north) / 2))
        wide = max((east - west) * self._squeeze, 1e-6)
        tall = max(north - south, 1e-6)
        self.height = WIDTH * min(max(tall / wide, _LEAST_RATIO), _GREATEST_RATIO)
        self._scale = min((WIDTH - 2 * _MARGIN) / wide, (self.height - 2 * _MARGIN) / tall)
        self._west, self._north = west, north
        self._left = (WIDTH - wide * self._scale) / 2
        self._top = (self.height - tall * self._scale) / 2

    def __call__(self, lon: float, lat: float) -> tuple[float, float]:
        """Return x and y."""
        x = self._left + (lon - self._west) * self._squeeze * self._scale
        y = self._top + (self._north - lat) * self._scale
        return round(x, 1), round(y, 1)


def streets_svg(streets: dict[str, Any], project: Projection) -> str:
    """Return the streets as two paths; they never change, so that this is drawn once."""
    lines: dict[str, list[str]] = {"minor": [], "major": []}
    for feature in streets["features"]:
        points = (project(lon, lat) for lon, lat in feature["geometry"]["coordinates"])
        lines[feature["properties"]["class"]].append(_path(points))
    return "".join(f'<path class="street {kind}" d="{"".join(some)}"/>' for kind, some in lines.items())


def map_svg(
    name: str,
    project: Projection,
    streets: str,
    features: Iterable[dict[str, Any]],
    trucks: Iterable[tuple[str, float, float]],
    rounds: Iterable[Sequence[Sequence[float]]],
    said_at: str,
) -> str:
    """Return the picture.

    Parameters
    ----------
    streets
        As `streets_svg` draws them.
    features
        Places as `service.place_views.place_features` gives them.
    trucks
        Name, lon and lat.
    rounds
        Lines as [lon, lat].
    said_at
        Time of the picture, for its title.
    """
    places = sorted(features, key=lambda one: _ORDER.get(one["properties"]["state"], 0))
    counts = dict.fromkeys(_ORDER, 0)
    drawn = []
    for feature in places:
        properties = feature["properties"]
        x, y = project(*feature["geometry"]["coordinates"])
        is_base = properties["kind"] in ("depot", "unloading-site")
        state = properties["state"]
        if not is_base:
            counts[state] += 1
        words = properties["kind"].replace("-", " ") if is_base else _WORDS[state]
        title = f"<title>{escape(properties['name'])}: {words}</title>"
        drawn.append(_sign("depot" if is_base else state, x, y, title))
    lines = "".join(
        f'<path class="round" d="{_path(project(point[0], point[1]) for point in line)}"/>' for line in rounds
    )
    vehicles = "".join(_truck(*project(lon, lat), label) for label, lon, lat in trucks)
    description = ", ".join(f"{counts[state]} {_WORDS[state]}" for state in ("urgent", "watch", "ok", "unknown"))
    height = round(project.height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height}" role="img" '
        f'aria-labelledby="t d"><title id="t">{escape(name)}, {escape(said_at)}</title>'
        f'<desc id="d">Places: {description}.</desc><style>{_STYLE}</style>'
        '<defs><pattern id="hatch" width="4" height="4" patternUnits="userSpaceOnUse">'
        '<path d="M0 4L4 0" stroke="#707070" stroke-width="1"/></pattern></defs>'
        f'<rect class="ground" width="{WIDTH:.0f}" height="{height}"/>{streets}{lines}{"".join(drawn)}{vehicles}</svg>'
    )


def _sign(state: str, x: float, y: float, title: str) -> str:
    if state == "urgent":
        return f'<path class="urgent" d="M{x} {y - 7}l7 12h-14z">{title}</path>'
    if state == "watch":
        return f'<path class="watch" d="M{x} {y - 6}l6 6l-6 6l-6 -6z">{title}</path>'
    if state == "unknown":
        return f'<rect class="unknown" x="{x - 3}" y="{y - 3}" width="6" height="6">{title}</rect>'
    if state == "depot":
        return f'<path class="depot" d="M{x} {y - 8}l8 6v8h-16v-8z">{title}</path>'
    return f'<circle class="ok" cx="{x}" cy="{y}" r="2.6">{title}</circle>'


def _truck(x: float, y: float, label: str) -> str:
    name = escape(label)
    return (
        f'<rect class="truck" x="{x - 8}" y="{y - 5}" width="16" height="10" rx="2"><title>{name}</title></rect>'
        f'<text x="{x + 11}" y="{y + 4}">{name}</text>'
    )


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points)
