"""Numbers of the fill model."""

from dataclasses import dataclass

from models.parameters import check_finite_and_positive


@dataclass(frozen=True)
class FillParameters:
    """Numbers of the fill model; ratios are of the usable volume.

    Parameters
    ----------
    full_ratio, full_hysteresis
        A container is called full from `full_ratio`, and no longer below `full_ratio - full_hysteresis`.
    sensor_sd
        Standard deviation of one reading.
    emptying_ratio
        A level may fall by so much before it is taken for an emptying (waste settles, sensors waver).
    stays_s, stays_intervals
        A jump that the next reading does not take back within this time, or within `stays_intervals` of the sensor's
        usual interval where that is longer, has happened: one that reports once a day cannot take it back in an hour.
    merge_s
        A visit and a fall of the level that are no farther apart are the same emptying.
    prior_rate_per_day, prior_days
        What is assumed of a container before it is known, and how many days of readings that is worth. Towards the
        fleet it is shrunk with the same weight: where rates differ by `prior_spread`, a day of readings tells more
        than the fleet does.
    prior_gain
        Fill gained after which a container's own unevenness counts as much as what deposits explain.
    prior_spread
        Relative standard deviation of the rate between containers.
    misfit
        Relative standard deviation of the fill gained that deposits do not explain (days differ).
    memory_days
        Time constant with which old readings lose their weight.
    residue_ratio, residue_sd
        What is left after an emptying that only the truck has told of.
    prior_openings, deposit_spread
        A container's litres per deposit: how many lid openings the general figure is worth, and by how much
        containers differ from it (relative standard deviation).
    density_kg_m3, prior_lifts_m3, lift_spread
        Weight of waste where a container's is not known, how many m3 lifted that is worth, and the relative standard
        deviation of a level that is told from a lift's weight.
    glance_sd
        Standard deviation of a level that a person judges.
    beside_odds
        How much more likely people report waste beside a full container than beside one that is not.
    prior_profile_days
        Days of filling that an even hour of the week is worth.
    volume_m3
        Usable volume where a container's is not known.
    """

    full_ratio: float = 0.95
    full_hysteresis: float = 0.10
    sensor_sd: float = 0.02
    emptying_ratio: float = 0.15
    stays_s: float = 3600.0
    stays_intervals: float = 1.5
    merge_s: float = 7200.0
    prior_rate_per_day: float = 0.15
    prior_days: float = 0.5
    prior_gain: float = 1.0
    prior_spread: float = 0.5
    misfit: float = 0.25
    memory_days: float = 21.0
    residue_ratio: float = 0.03
    residue_sd: float = 0.03
    volume_m3: float = 4.0
    prior_openings: float = 30.0
    deposit_spread: float = 0.3
    density_kg_m3: float = 60.0
    prior_lifts_m3: float = 4.0
    lift_spread: float = 0.2
    glance_sd: float = 0.12
    beside_odds: float = 5.0
    prior_profile_days: float = 0.5

    def __post_init__(self) -> None:
        check_finite_and_positive(self, may_be_zero=("full_hysteresis", "misfit", "residue_ratio"))
