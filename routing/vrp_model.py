"""A crew's work as PyVRP sees it, and back: what is searched through.

How it is put, where PyVRP has no word for it:

- Unloading on the way is a reload depot. Unloading before going home is a virtual place for each truck: travel to it is
  travel to the best site, unloading, and the way home.
- Breaks: the clock stands still during them (`routing.clock`); windows and opening hours are told in that clock.
- Times to keep away within a job's window are several clients, one for each piece of the window, of which one is done.
- Where nothing makes a truck wait, time costs what its ways and stops take, whatever their order: it is put on distance
  too. Moves are then looked at twice as fast as with a cost of duration.
- What a truck may take in a day is put on distance: the way into a job costs its volume times more than any round is
  long, and the day's volume times as much bounds a truck's distance. What all of it costs is the same in every plan.
- Must jobs are required clients. When no order of all of them turns up, they become optional, with a prize that
  nothing else outweighs: what cannot be done is then left out and can be named.
- Staying with one's truck is a profile for each truck, in which the way into another truck's job is dearer. It is
  dearer in distance, which is only a cost, so that no real time is lost by it.
"""

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyvrp
from numpy.typing import NDArray
from pyvrp import Activity, ActivityType

from routing.crew import Crew, Order, Outing

_NO_WAY = 1_000_000_000
_MOST_UNLOADINGS = 8
_LITRES = 1000.0
# Of a litre: 1.1 m3 are not 1,101.
_ROUNDING = 1e-6
# What a must job is worth in seconds of driving, besides all that is optional.
_MUST_S = 86_400.0
# PyVRP tells penalties in floating point. Beyond 53 bits a move and its way back could both look better, and a local
# search never end.
_MOST_EXACT = 2.0**52
_LARGEST_PENALTY = 100_000.0
Whole = NDArray[np.int64]


class VrpModel:
    """PyVRP's data for a crew, with what is needed to read its answers.

    Parameters
    ----------
    crew
        Jobs and trucks.
    keep_s
        Seconds of driving that a job's move to another truck than its keeper costs.
    all_musts
        Must jobs are required; else they are optional and outweigh all that is.
    """

    def __init__(self, crew: Crew, keep_s: float, all_musts: bool) -> None:
        self.crew, self.keep_s, self.all_musts = crew, keep_s, all_musts
        self.clock = crew.clock
        able = [o for o, one in enumerate(crew.outings) if one.free_s < one.latest_s]
        self.base_s = math.floor(min((self._free_s(crew.outings[o]) for o in able), default=0.0))
        # Clients that keep trucks under way in the plan: they have to be brought home even without jobs.
        under_way = [o for o in able if crew.outings[o].under_way]
        self.profiled = bool(under_way) or (keep_s > 0 and any(one >= 0 for one in crew.keeper))
        # Trucks that are alike are one type of vehicle: so many fewer moves to look at.
        self.types: list[list[int]] = []
        by_kind: dict[object, list[int]] = {}
        for o in able:
            mine = by_kind.setdefault(o if self.profiled else self._kind(crew.outings[o]), [])
            if not mine:
                self.types.append(mine)
            mine.append(o)
        self.type_of = {o: t for t, members in enumerate(self.types) for o in members}
        # A must job that no truck can do even alone would keep the search among orders that do not fit.
        self.jobs = [j for j in range(len(crew.jobs)) if self._can_be_done(j)]
        # One client for each piece of each job's window.
        self.pieces = [(j, piece) for j in self.jobs for piece in self._pieces(j)]
        self.clients_of: dict[int, list[int]] = {}
        for client, (j, _) in enumerate(self.pieces):
            self.clients_of.setdefault(j, []).append(client)
        self.pins = {o: len(self.pieces) + i for i, o in enumerate(under_way)}
        opens = [self._opens(s) for s in range(len(crew.sites))]
        ends = [self._home_from(members[0]) for members in self.types]
        self.waits = any([*opens, *ends, *(first for _, (first, _) in self.pieces)])

    @cached_property
    def data(self) -> pyvrp.ProblemData:
        """The crew's work in PyVRP's words."""
        return self._data(self._volume_weight)

    @cached_property
    def plain(self) -> pyvrp.ProblemData:
        """The same without the limit of a day's volume: to tell what is near what."""
        return self._data(0) if self._volume_weight else self.data

    @cached_property
    def largest_penalty(self) -> float:
        """What a unit too much may cost at most, so that costs are told to the unit."""
        steps = sum(_litres(job.volume_m3) // self._volume_step for job in self.crew.jobs)
        return min(_LARGEST_PENALTY, _MOST_EXACT / max(1, self._volume_weight * steps))

    def solution(self, orders: Sequence[Order]) -> pyvrp.Solution:
        """Return the orders as PyVRP's solution."""
        routes = []
        for outing, order in enumerate(orders):
            kept = [item for item in order if item < 0 or item in self.clients_of]
            pin = self.pins.get(outing)
            if outing in self.type_of and (pin is not None or any(item >= 0 for item in kept)):
                first = [] if pin is None else [Activity(ActivityType.CLIENT, pin)]
                routes.append(pyvrp.Route(self.data, first + self._activities(outing, kept), self.type_of[outing]))
        return pyvrp.Solution(self.data, routes)

    def leg_price(self, solution: pyvrp.Solution) -> float:
        """Return what driving between two visits costs on average."""
        crew = self.crew
        prices = crew.problem.prices.metre * crew.distance_m + crew.problem.prices.second * crew.duration_s
        total, legs = 0.0, 0
        for outing, order in enumerate(self.orders(solution)):
            rows = [crew.start_row(outing), *(crew.row(item) for item in order), crew.depot_row(outing)]
            if order:
                total, legs = total + float(prices[rows[:-1], rows[1:]].sum()), legs + len(rows) - 1
        return total / legs if legs else float(prices.mean())

    def orders(self, solution: pyvrp.Solution) -> list[Order]:
        """Return PyVRP's solution as orders of visits."""
        orders: list[Order] = [[] for _ in self.crew.outings]
        free = [list(members) for members in self.types]
        for route in solution.routes():
            order = orders[free[route.vehicle_type()].pop(0)]
            for one in list(route)[1:-1]:
                if one.is_client() and one.idx < len(self.pieces):
                    order.append(self.pieces[one.idx][0])
                elif one.is_depot():
                    order.append(-1 - one.idx)
        return orders

    def _activities(self, outing: int, order: Order) -> list[Activity]:
        visits = self.crew.drive(outing, order).visits
        activities = []
        for item, visit in zip(order, visits, strict=False):
            if item < 0:
                activities.append(Activity(ActivityType.DEPOT, -1 - item))
                continue
            clients = self.clients_of[item]
            begin_s = visit.leave_s - self.crew.jobs[item].service_s
            begin = math.floor(self.clock.earliest(begin_s) - self.base_s)
            fitting = [client for client in clients if begin <= self.pieces[client][1][1]]
            activities.append(Activity(ActivityType.CLIENT, (fitting or clients[-1:])[0]))
        return activities

    def _kind(self, one: Outing) -> object:
        truck = one.truck
        sizes = (truck.volume_m3, truck.payload_kg, truck.overtime_s)
        return (
            sizes,
            one.start,
            one.depot,
            one.free_s,
            one.end_s,
            one.breaks,
            one.day_left_m3,
            one.volume_m3,
            one.load_kg,
        )

    def _free_s(self, one: Outing) -> float:
        """Return the working time from which a truck is free; breaks that it does not share are taken at once."""
        own = sum(duration_s for due in one.breaks if due not in self.clock.breaks for duration_s in due[1:])
        return self.clock.earliest(one.free_s) + own

    def _can_be_done(self, job: int) -> bool:
        ways: list[Order] = [[job], *([-1 - s, job] for s in range(len(self.crew.sites)))]
        firsts = [members[0] for members in self.types]
        return bool(self._pieces(job)) and any(self.crew.drive(o, way).fits for o in firsts for way in ways)

    def _pieces(self, job: int) -> list[tuple[int, int]]:
        result = []
        for first_s, last_s in self.crew.beginnings[job]:
            first = 0 if first_s == -math.inf else max(0, math.ceil(self.clock.earliest(first_s) - self.base_s))
            last = _NO_WAY if last_s == math.inf else math.floor(self.clock.latest(last_s) - self.base_s)
            if first <= last:
                result.append((first, last))
        return result

    def _data(self, volume_weight: int) -> pyvrp.ProblemData:
        crew, sites = self.crew, self.crew.sites
        n_rows = len(crew.duration_s)
        locations = [pyvrp.Location(0, 0) for _ in range(n_rows + len(self.types))]
        depots = []
        for s, site in enumerate(sites):
            closes_s = crew.problem.hours(site)[1]
            depots.append(
                pyvrp.Depot(
                    crew.row(-1 - s),
                    tw_early=self._opens(s),
                    tw_late=max(0, math.floor(self.clock.latest(closes_s - site.unloading_s) - self.base_s)),
                    service_duration=math.ceil(site.unloading_s),
                )
            )
        depots += [pyvrp.Depot(crew.start_row(members[0])) for members in self.types]
        depots += [self._end(members[0], n_rows + t) for t, members in enumerate(self.types)]
        groups: list[pyvrp.ClientGroup] = []
        clients = [self._client(client, groups, volume_weight) for client in range(len(self.pieces))]
        # A pin is the first thing that its truck passes: later it would be a way home without unloading.
        clients += [
            pyvrp.Client(
                crew.start_row(o),
                pickup=[0, 0],
                tw_late=math.ceil(self._free_s(crew.outings[o]) - self.base_s),
                required=self.all_musts,
                prize=0 if self.all_musts else self._outweighing,
            )
            for o in self.pins
        ]
        durations, distances = self._matrices(n_rows, volume_weight)
        vehicles = [self._vehicle(t, volume_weight) for t in range(len(self.types))]
        if not self.profiled:
            return pyvrp.ProblemData(locations, clients, depots, vehicles, [distances], [durations], groups)
        dearer = [self._dearer(distances, members[0]) for members in self.types]
        return pyvrp.ProblemData(locations, clients, depots, vehicles, dearer, [durations] * len(dearer), groups)

    def _vehicle(self, type_: int, volume_weight: int) -> pyvrp.VehicleType:
        members, prices = self.types[type_], self.crew.problem.prices
        one = self.crew.outings[members[0]]
        capacity = [math.floor(one.truck.volume_m3 * _LITRES + _ROUNDING), math.floor(one.truck.payload_kg)]
        aboard = [_litres(one.volume_m3), math.ceil(one.load_kg)]
        early = math.ceil(self._free_s(one) - self.base_s)
        shift_end = math.floor(self.clock.latest(one.end_s) - self.base_s)
        late = math.floor(self.clock.latest(one.latest_s) - self.base_s)
        sites, types = len(self.crew.sites), len(self.types)
        more = {}
        if volume_weight and one.day_left_m3 < math.inf:
            most = math.floor(one.day_left_m3 * _LITRES + _ROUNDING)
            more["max_distance"] = volume_weight * (max(0, most) // self._volume_step + 1) - 1
        if one.truck.overtime_s > 0:
            more["shift_duration"] = max(0, shift_end - early)
            more["max_overtime"] = max(0, late - max(shift_end, early))
            more["unit_overtime_cost"] = prices.overtime_second
        return pyvrp.VehicleType(
            num_available=len(members),
            capacity=capacity,
            initial_load=[min(a, c) for a, c in zip(aboard, capacity, strict=True)],
            start_depot=sites + type_,
            end_depot=sites + types + type_,
            tw_early=early,
            tw_late=max(early, late),
            unit_distance_cost=1,
            unit_duration_cost=prices.second if self.waits else 0,
            profile=type_ if self.profiled else 0,
            reload_depots=list(range(sites)),
            max_reloads=_MOST_UNLOADINGS,
            **more,
        )

    def _client(self, client: int, groups: list[pyvrp.ClientGroup], volume_weight: int) -> pyvrp.Client:
        job, (first, last) = self.pieces[client]
        one, alike = self.crew.jobs[job], self.clients_of[job]
        required = one.must and self.all_musts
        if len(alike) > 1 and client == alike[0]:
            groups.append(pyvrp.ClientGroup(alike, required=required))
        litres = _litres(one.volume_m3)
        # Work that costs nothing where duration does not is not paid back.
        unpaid = 0.0 if self.waits else one.service_s * self.crew.problem.prices.second
        worth = self._outweighing if one.must else max(0, round(self.crew.prize(job) - unpaid))
        return pyvrp.Client(
            job,
            pickup=[litres, math.ceil(one.load_kg)],
            service_duration=math.ceil(one.service_s),
            tw_early=first,
            tw_late=last,
            prize=0 if required else worth + volume_weight * (litres // self._volume_step),
            required=required and len(alike) == 1,
            group=len(groups) - 1 if len(alike) > 1 else None,
        )

    @cached_property
    def _outweighing(self) -> int:
        optional = sum(self.crew.prize(j) for j in self.jobs if not self.crew.jobs[j].must)
        return round(_MUST_S * self.crew.problem.prices.driving_second + optional)

    @cached_property
    def _volume_weight(self) -> int:
        """What a step of volume costs where a day's is limited: more than any round is long, or 0 without a limit."""
        if all(one.truck.volume_per_day_m3 is None for one in self.crew.outings):
            return 0
        farthest = float(self.crew.distance_m.max()) * max(1, self.crew.problem.prices.metre)
        return math.ceil(farthest * (2 + 2 * _MOST_UNLOADINGS) + 1)

    @cached_property
    def _volume_step(self) -> int:
        """The largest number of litres of which every job is a multiple."""
        return math.gcd(*(_litres(job.volume_m3) for job in self.crew.jobs)) or 1

    def _opens(self, site: int) -> int:
        return max(0, math.ceil(self.clock.earliest(self.crew.problem.hours(self.crew.sites[site])[0]) - self.base_s))

    def _home_from(self, outing: int) -> int:
        """Return when a truck can be home at the soonest, unloaded when the first site has opened."""
        crew = self.crew
        soonest_s = min(
            crew.problem.hours(site)[0]
            + site.unloading_s
            + float(crew.duration_s[crew.row(-1 - s), crew.depot_row(outing)])
            for s, site in enumerate(crew.sites)
        )
        return max(0, math.ceil(self.clock.earliest(soonest_s) - self.base_s))

    def _end(self, outing: int, location: int) -> pyvrp.Depot:
        crew = self.crew
        late_s = max(
            crew.problem.hours(site)[1] + float(crew.duration_s[crew.row(-1 - s), crew.depot_row(outing)])
            for s, site in enumerate(crew.sites)
        )
        early = self._home_from(outing)
        return pyvrp.Depot(
            location, tw_early=early, tw_late=max(early, math.floor(self.clock.latest(late_s) - self.base_s))
        )

    def _matrices(self, n_rows: int, volume_weight: int) -> tuple[Whole, Whole]:
        n, crew, metre = n_rows + len(self.types), self.crew, self.crew.problem.prices.metre
        durations, distances = np.full((n, n), _NO_WAY), np.full((n, n), _NO_WAY)
        durations[:n_rows, :n_rows] = np.ceil(crew.duration_s)
        distances[:n_rows, :n_rows] = np.round(metre * crew.distance_m)
        for t, members in enumerate(self.types):
            seconds, metres = crew.last_unloading(members[0])
            if not crew.outings[members[0]].aboard:
                here, depot = crew.start_row(members[0]), crew.depot_row(members[0])
                seconds[here], metres[here] = crew.duration_s[here, depot], crew.distance_m[here, depot]
            durations[:n_rows, n_rows + t] = np.ceil(seconds)
            distances[:n_rows, n_rows + t] = np.round(metre * metres)
        if not self.waits:
            second = crew.problem.prices.second
            distances = np.where(distances >= _NO_WAY, distances, distances + second * durations)
            for s, site in enumerate(crew.sites):
                distances[:n_rows, crew.row(-1 - s)] += second * math.ceil(site.unloading_s)
        for j, job in enumerate(crew.jobs):
            distances[:, j] += volume_weight * (_litres(job.volume_m3) // self._volume_step)
        for matrix in (durations, distances):
            np.fill_diagonal(matrix, 0)
        return durations, distances

    def _dearer(self, distances: Whole, outing: int) -> Whole:
        """Distances for one truck, in which the way into another truck's job costs `keep_s` more."""
        own = distances.copy()
        moved = [j for j, keeper in enumerate(self.crew.keeper) if keeper not in (-1, outing)]
        own[:, moved] += round(self.keep_s * self.crew.problem.prices.driving_second)
        for other in self.pins:
            if other != outing:
                own[:, self.crew.start_row(other)] = _NO_WAY
        np.fill_diagonal(own, 0)
        return own


def _litres(volume_m3: float) -> int:
    return math.ceil(volume_m3 * _LITRES - _ROUNDING)
