"""The shift of a round as iCalendar, for the calendar on a phone."""

import math
from collections.abc import Mapping

import icalendar

from city.clock import utc
from city.plans import Plan, Round
from routing.instruction_words import Language, stop_work

# An iCalendar integer has 31 bits: seconds since 2000 do until 2068.
_SEQUENCE_FROM_S = 946_684_800.0
_LARGEST_INTEGER = 2**31 - 1

_TITLE: Mapping[Language, str] = {"nl": "Ronde {name}: {n} stops", "en": "Round {name}: {n} stops"}


def shift_calendar(plan: Plan, one: Round, name: str, names: Mapping[str, str], language: Language = "nl") -> bytes:
    """Return the round as one event, from when the truck leaves until it is back.

    A later plan for the same truck and day replaces the event in the calendar that took the earlier one.

    Parameters
    ----------
    plan
        The plan that the round is of: when it was made tells a calendar which is newer.
    one
        The round.
    name
        What the truck is called.
    names
        What places are called; a place that is not there goes by its id.

    References
    ----------
    RFC 5545, Internet Calendaring and Scheduling Core Object Specification.
    """
    first, last = one.stops[0], one.stops[-1]
    event = icalendar.Event()
    event.add("uid", f"{one.truck}-{utc(first.leave_s):%Y%m%d}@ronde")
    # RFC 5545 wants whole numbers that rise with each change: the truck may leave at another time than before.
    event.add("sequence", min(max(0, math.floor(plan.made_at_s - _SEQUENCE_FROM_S)), _LARGEST_INTEGER))
    event.add("dtstamp", utc(round(plan.made_at_s)))
    event.add("dtstart", utc(round(first.leave_s)))
    event.add("dtend", utc(round(last.leave_s)))
    event.add("summary", _TITLE[language].format(name=name, n=sum(bool(stop.job) for stop in one.stops)))
    event.add("location", names.get(first.place, first.place))
    event.add("geo", (first.lat, first.lon))
    jobs = [stop for stop in one.stops if stop.job or stop.kind == "unload"]
    event.add(
        "description", "\n".join(f"{names.get(one.place, one.place)}: {stop_work(one, language)}" for one in jobs)
    )
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Ronde//rounds//NL")
    calendar.add("version", "2.0")
    calendar.add_component(event)
    text: bytes = calendar.to_ical()
    return text
