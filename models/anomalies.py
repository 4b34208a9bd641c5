"""How unusual each value of a stream is, record by record: a tail probability that means the same in every stream."""

import math
from dataclasses import dataclass

from city.errors import BadInput
from models.parameters import check_finite_and_positive

_DAY_S = 86_400.0
_WEEK_S = 7 * _DAY_S
_DAY_BINS = 48
_WEEK_BINS = 168
# Of evidence: beyond this nothing is learnt as if it were usual (about one record in 3,000).
_LEARNS_UNTIL = 8.0
# Squares of differences of larger values would no longer be numbers.
_LARGEST = 1e140
_ONE_IN_A_HUNDRED = math.log(100.0)


@dataclass(frozen=True)
class AnomalyParameters:
    """Numbers of the detector.

    Parameters
    ----------
    short_records, long_records
        Memories of the short and the long mean.
    scale_records
        Memory of the usual size of an error.
    shift_records
        Memory of the mean error that a shift of the level is seen in.
    profile_learns
        Share by which the usual value at a time of the day or the week moves, once it has been seen.
    tail_share
        The largest errors of this share of the records are the tail that a distribution is fitted to.
    refractory_records
        For so many records after a large score only a larger one is said in full; the bar falls steadily meanwhile.
    louder
        By what factor its evidence must exceed the bar to be said in full.
    hushed
        What remains of the evidence of a record that is hushed.
    """

    short_records: float = 5.0
    long_records: float = 150.0
    scale_records: float = 300.0
    shift_records: float = 16.0
    profile_learns: float = 0.25
    tail_share: float = 0.05
    refractory_records: float = 120.0
    louder: float = 1.3
    hushed: float = 0.4

    def __post_init__(self) -> None:
        check_finite_and_positive(self)
        if not self.tail_share < 0.5 or not self.hushed < 1:
            raise BadInput("tail_share or hushed is too large.", "Give a tail_share below 0.5 and a hushed below 1.")


class AnomalyDetector:
    """A detector of one stream, constant in time and memory per record.

    What is expected is a mixture of the short mean, the long mean and the usual value at that half hour of the day and
    hour of the week, each weighted by how well it did. Errors of a single record and of a run of records (a shift),
    the distance from the long mean, all upwards and downwards apart, and runs of exactly the same value are
    evidence; each is made a tail probability by a generalised Pareto distribution fitted to the stream's own largest
    errors, and so is the strongest of them.

    References
    ----------
    Tail: J. Pickands, "Statistical Inference Using Extreme Order Statistics", 1975; moments: J. R. M. Hosking and
    J. R. Wallis, 1987. Scores as likelihoods: S. Ahmad et al., "Unsupervised real-time anomaly detection for
    streaming data", 2017.
    """

    __slots__ = (
        "_at_s",
        "_bar",
        "_combined",
        "_errors",
        "_expected",
        "_gap_s",
        "_last",
        "_long",
        "_n",
        "_of_day",
        "_of_week",
        "_off_scale",
        "_p",
        "_repeats",
        "_run",
        "_scale",
        "_shift",
        "_shift_scale",
        "_short",
        "_tails",
    )

    def __init__(self, parameters: AnomalyParameters | None = None) -> None:
        self._p = p = parameters or AnomalyParameters()
        self._n = 0
        self._at_s = math.nan
        self._gap_s = 0.0
        self._last = math.nan
        self._short = self._long = self._scale = self._shift = 0.0
        self._shift_scale = self._off_scale = 0.0
        self._errors = [0.0, 0.0, 0.0, 0.0]
        self._of_day: list[float | None] = [None] * _DAY_BINS
        self._of_week: list[float | None] = [None] * _WEEK_BINS
        self._run = 0
        self._repeats = 0.05
        self._tails = [_Tail(p.tail_share, 2.5) for _ in range(6)]
        self._combined = _Tail(p.tail_share, 4.0)
        self._bar = 0.0
        self._expected = math.nan

    @property
    def expected(self) -> float:
        """What was expected of the last record; NaN = nothing was."""
        return self._expected

    def score(self, at_s: float, value: float) -> float:
        """Return how unusual a record is, 0..1: s = e / (e + ln 100), where exp(-e) is the probability of one so odd.

        0.5 is one record in a hundred, 0.75 one in a million. It is NaN for a value that is unknown.

        Parameters
        ----------
        at_s
            When it was measured, s, in any one calendar: only times of the day and of the week are taken from it.
        """
        if not math.isfinite(value):
            return math.nan
        evidence = self._evidence(at_s, min(max(value, -_LARGEST), _LARGEST))
        return evidence / (evidence + _ONE_IN_A_HUNDRED)

    def _evidence(self, at_s: float, value: float) -> float:
        p = self._p
        n = self._n = self._n + 1
        day = int(at_s % _DAY_S * (_DAY_BINS / _DAY_S))
        week = int(at_s % _WEEK_S * (_WEEK_BINS / _WEEK_S))
        if n == 1:
            self._short = self._long = self._last = self._expected = value
            self._of_day[day], self._of_week[week] = value, value
            self._at_s = at_s
            return 0.0
        gap_s = at_s - self._at_s
        self._at_s = at_s
        after_gap = self._gap_s > 0 and gap_s > 12 * self._gap_s
        if gap_s > 0 and not after_gap:
            self._gap_s += (gap_s - self._gap_s) * max(1 / n, 0.05)

        short, long = self._short, self._long
        of_day, of_week = self._of_day[day], self._of_week[week]
        guesses = (short, long, short if of_day is None else of_day, short if of_week is None else of_week)
        errors = self._errors
        total = expected = slow_total = slow = 0.0
        least = min(errors)
        for k in range(4):
            weight = least / errors[k] if least > 0 else 1.0 if errors[k] <= 0 else 0.0
            weight *= weight
            weight *= weight
            if k == 0 and after_gap:
                weight *= 0.01
            elif k:
                weight += 1e-12
            total += weight
            expected += weight * guesses[k]
            if k:
                slow_total += weight
                slow += weight * guesses[k]
        expected /= total
        slow /= slow_total
        self._expected = expected
        error, drift = value - expected, value - slow

        scale = self._scale
        if n <= 3 or scale <= 0:
            size = abs(error)
            self._scale = scale = max(scale, size, 1e-9 * abs(value), 1e-12)
            self._shift_scale = max(self._shift_scale, scale)
        z = error / scale
        memory = max(1 / n, 1 / p.scale_records)
        limit = 4.0 * scale
        self._scale = max(scale + memory * (min(abs(error), limit) - scale), 1e-12, 1e-7 * abs(long))

        # A shift: the mean error against the slow guesses over the last few records.
        if after_gap:
            self._shift = 0.0
        self._shift += (drift - self._shift) / p.shift_records
        shift_scale = self._shift_scale
        shift = self._shift / shift_scale
        size = abs(self._shift)
        self._shift_scale = max(shift_scale + memory * (min(size, 4 * shift_scale) - shift_scale), self._scale * 0.1)

        # Warming up: what is learnt from few records is believed less.
        known = n / (n + 30.0)
        one = self._tails[0 if z > 0 else 1].evidence(abs(z)) * known
        run = self._tails[2 if shift > 0 else 3].evidence(abs(shift)) * known

        # The value itself, far from the long mean whatever was expected.
        off = value - long
        off_scale = self._off_scale if self._off_scale > 0 else scale
        size = abs(off)
        self._off_scale = off_scale + memory * (min(size, 4 * off_scale) - off_scale)
        far = self._tails[4 if off > 0 else 5].evidence(size / off_scale) * known

        same = value == self._last
        self._last = value
        self._run = self._run + 1 if same else 0
        stuck = -self._run * math.log(self._repeats) * known * 0.5 if self._run > 3 else 0.0
        self._repeats += ((1.0 if same else 0.0) - self._repeats) * max(1 / (n + 20), 0.005)
        self._repeats = min(max(self._repeats, 0.01), 0.999)

        evidence = self._combined.evidence(max(one, run, far, stuck)) * known

        self._learn(value, guesses, day, week, n)
        return self._hush(evidence)

    def _learn(self, value: float, guesses: tuple[float, ...], day: int, week: int, n: int) -> None:
        p = self._p
        errors = self._errors
        memory = max(1 / n, 1 / p.scale_records)
        limit = 6.0 * self._scale
        for k in range(4):
            size = abs(value - guesses[k])
            errors[k] += memory * ((size if size < limit else limit) - errors[k])
        self._short += (value - self._short) * max(1 / n, 1 / p.short_records)
        self._long += (value - self._long) * max(1 / n, 1 / p.long_records)
        # A bin is filled by several records a visit: what it was is kept between two days.
        old = self._of_day[day]
        self._of_day[day] = value if old is None else old + self._pace(_DAY_S / _DAY_BINS) * (value - old)
        old = self._of_week[week]
        self._of_week[week] = value if old is None else old + self._pace(_WEEK_S / _WEEK_BINS) * (value - old)

    def _pace(self, bin_s: float) -> float:
        records = max(bin_s / self._gap_s, 1.0) if self._gap_s > 0 else 1.0
        return self._p.profile_learns / records

    def _hush(self, evidence: float) -> float:
        """Return the evidence, less while a larger one has just been said."""
        p = self._p
        said = evidence if evidence > p.louder * self._bar else p.hushed * evidence
        self._bar = max(self._bar - self._bar / p.refractory_records, evidence)
        return said


class _Tail:
    """The distribution of the largest values of a positive statistic: a quantile, and a generalised Pareto above it."""

    __slots__ = ("_bound", "_count", "_evidence_at_bound", "_mean", "_n", "_share", "_square")

    def __init__(self, share: float, bound: float) -> None:
        self._share = share
        self._bound = bound
        self._evidence_at_bound = -math.log(share)
        # As if exponential, until the stream has shown its own tail.
        self._mean = 0.4 * bound
        self._square = 2 * self._mean * self._mean
        self._count = 10.0
        self._n = 20.0

    def evidence(self, statistic: float) -> float:
        """Return -log of the probability of a statistic at least so large, and learn it."""
        bound, mean = self._bound, self._mean
        self._n += 1.0
        if statistic <= bound:
            evidence = self._evidence_at_bound * statistic / bound
            self._bound = bound * (1.0 - self._share * max(2.0 / self._n, 0.01) * 2)
            return evidence
        excess = statistic - bound
        variance = max(self._square - mean * mean, 0.05 * mean * mean)
        ratio = mean * mean / variance
        shape = 0.5 * (1.0 - ratio)
        shape = 0.05 if shape < 0.05 else 0.4 if shape > 0.4 else shape
        evidence = self._evidence_at_bound + math.log1p(shape * excess / (mean * (1.0 - shape))) / shape
        self._bound = bound * (1.0 + (1.0 - self._share) * max(2.0 / self._n, 0.01) * 2)
        if evidence > _LEARNS_UNTIL:
            excess = mean * (1.0 - shape) * math.expm1(shape * (_LEARNS_UNTIL - self._evidence_at_bound)) / shape
        self._count += 1.0
        weight = max(1.0 / self._count, 0.01)
        self._mean = mean + weight * (excess - mean)
        self._square += weight * (excess * excess - self._square)
        return evidence
