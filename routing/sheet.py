"""Rounds on paper: one HTML page for each, for who drives without a screen."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from city.plans import Round
from routing.instruction_words import Language, LegText, distance_text

_WORDS: Mapping[Language, Mapping[str, str]] = {
    "nl": {
        "title": "Ronde",
        "plan": "Plan",
        "time": "Tijd",
        "stop": "Stop",
        "work": "Werk",
        "aboard": "Aan boord",
        "done": "Klaar",
        "way": "Route",
        "none": "In dit plan rijdt niemand.",
        "stops": "{n} stops, {km}, {from_} tot {until}",
    },
    "en": {
        "title": "Round",
        "plan": "Plan",
        "time": "Time",
        "stop": "Stop",
        "work": "Work",
        "aboard": "Aboard",
        "done": "Done",
        "way": "Route",
        "none": "Nobody drives in this plan.",
        "stops": "{n} stops, {km}, {from_} to {until}",
    },
}


class SheetRound(NamedTuple):
    """A round on paper: what its truck is called, and its legs in words."""

    name: str
    one: Round
    legs: Sequence[LegText]


def sheet_html(plan_id: str, rounds: Sequence[SheetRound], language: Language, stylesheet: str) -> str:
    """Return an HTML document with one printed page (or more, if it is long) for each round.

    `stylesheet` is the address of the style sheet; nothing is inline.
    """
    words = _WORDS[language]
    pages = [_page(one, words, language) for one in rounds] or [f"<p>{escape(words['none'])}</p>"]
    names = ", ".join(one.name for one in rounds)
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(words['title'])} {escape(names)}</title>\n"
        f'<link rel="stylesheet" href="{escape(stylesheet)}">\n</head>\n<body>\n<main>\n'
        + "\n".join(pages)
        + f"\n</main>\n<footer>{escape(words['plan'])} {escape(plan_id)}</footer>\n</body>\n</html>\n"
    )


def _page(sheet: SheetRound, words: Mapping[str, str], language: Language) -> str:
    first, last = sheet.legs[0].at, sheet.legs[-1].at
    about = words["stops"].format(
        n=sum(bool(leg.number) for leg in sheet.legs),
        km=distance_text(sheet.one.distance_m, language),
        from_=f"{first:%H:%M}",
        until=f"{last:%H:%M}",
    )
    heads = "".join(
        f'<th scope="col">{escape(words[name])}</th>' for name in ("time", "stop", "work", "aboard", "done")
    )
    rows = "".join(_row(leg) for leg in sheet.legs)
    steps = "".join(_steps(leg) for leg in sheet.legs if leg.steps)
    return (
        f"<section>\n<h1>{escape(words['title'])} {escape(sheet.name)}</h1>\n"
        f'<p class="about">{first:%d-%m-%Y} · {escape(about)}</p>\n'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>\n"
        f'<h2>{escape(words["way"])}</h2>\n<ol class="legs">{steps}</ol>\n</section>'
    )


def _row(leg: LegText) -> str:
    number = f"{leg.number}. " if leg.number else ""
    containers = escape(", ".join(leg.stop.containers))
    detail = f'<span class="containers">{containers}</span>' if containers else ""
    aboard = f"{leg.stop.load_kg:.0f} kg" if leg.stop.load_kg > 0 else ""
    box = '<span class="box"></span>' if leg.number else ""
    return (
        f"<tr><td>{leg.at:%H:%M}</td><td>{number}{escape(leg.name)}</td><td>{escape(leg.work)}{detail}</td>"
        f"<td>{aboard}</td><td>{box}</td></tr>"
    )


def _steps(leg: LegText) -> str:
    steps = "".join(f"<li>{escape(step)}</li>" for step in leg.steps)
    number = f"{leg.number}. " if leg.number else ""
    return f"<li><ul>{steps}</ul><p>{leg.at:%H:%M} {number}{escape(leg.name)}: {escape(leg.work)}</p></li>"
