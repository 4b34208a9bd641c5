"""Numbers of the rules for hourly series."""

from dataclasses import dataclass

from models.parameters import check_finite_and_positive


@dataclass(frozen=True)
class SeriesFaultParameters:
    """Numbers of the rules for hourly series; a nat is a step of the natural logarithm of a likelihood ratio.

    The thresholds were chosen on faults planted in half a year of hourly flow of one city, and judged on later months.

    Parameters
    ----------
    learnt_rows, learnt_days
        A series is judged once so many of its hours are known, for drift once so many days after half of them are.
    whole_share
        An hour counts when its readings cover so much of it.
    wait_s
        An hour is closed when a later one begins, or so long after its end.
    stuck_nats
        Repeats of one value that are so unlikely together are a stuck sensor.
    blocked_share, blocked_nats, blocked_nats_hour
        A blocked sensor counts about so much of what passes; CUSUM threshold, and the most that one hour adds.
    drift_slack, drift_spreads, drift_ratio
        Slack and threshold of the one-sided CUSUMs on a day's log ratio, in spreads of such a day; and the ratio, up
        or down, that the last two days must have as well: what is only a per cent off is nobody's business.
    spike_ratio, spike_spreads, spike_least
        A spike is so many times, and so many spreads above, what its neighbours say, and so far (a logarithm) above
        what is usual in that hour.
    jitter_rows, least_jitter
        How slowly an hour's usual difference from its neighbours is learnt, and the least that is believed.
    quiet_h, drift_quiet_h, spike_quiet_h, weary, weary_days, quiet_at_most_h
        When a fault is over, the series is left alone in that kind for so long, h: `weary` times longer for each alarm
        that came before, of which one is forgotten in `weary_days`.
    settle_days
        A level that stays for so long after an alarm is the new one.
    """

    learnt_rows: float = 500.0
    learnt_days: float = 7.0
    whole_share: float = 0.75
    wait_s: float = 1800.0
    stuck_nats: float = 10.0
    blocked_share: float = 0.12
    blocked_nats: float = 12.0
    blocked_nats_hour: float = 3.0
    drift_slack: float = 0.7
    drift_spreads: float = 7.0
    drift_ratio: float = 1.1
    spike_ratio: float = 2.6
    spike_spreads: float = 4.0
    spike_least: float = 0.5
    jitter_rows: float = 480.0
    least_jitter: float = 0.08
    quiet_h: float = 48.0
    drift_quiet_h: float = 48.0
    spike_quiet_h: float = 6.0
    weary: float = 2.0
    weary_days: float = 20.0
    quiet_at_most_h: float = 240.0
    settle_days: float = 5.0

    def __post_init__(self) -> None:
        check_finite_and_positive(self)
