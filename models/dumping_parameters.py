"""Numbers of the dumping model, each with its meaning."""

from dataclasses import dataclass

from city.errors import BadInput
from models.parameters import check_finite_and_positive

DAY_S = 86_400.0


@dataclass(frozen=True)
class DumpingParameters:
    """Numbers of the dumping model.

    Parameters
    ----------
    raise_at, clear_at
        Probability that waste lies there, from which a finding is raised, and below which it is over.
    doubt_share
        Where clutter stands for this share of the time, twice the odds of waste are asked for; where it stands for
        twice as long, thrice. How long clutter stays is known worst where there is much of it.
    raise_unseen_at
        The same where no camera looks, and overflow is told from levels and lid openings.
    sure_of_cause
        Share of that probability from which a cause is named.
    refractory_s
        Nothing is raised for so long after a finding was over.
    dumps_per_day, bags_per_dump
        How often waste is dumped at a site, and how many objects that is on average.
    lies_s
        Mean time until it is taken away by somebody who does not tell us.
    sight, sight_poor
        Share of the objects that a camera counts, by day and at night, if it is not a steady one.
    occluded
        Share of the frames in which something stands before the waste, seen by such a camera.
    steady
        Share of the frames in which a steady camera counts what is there.
    steady_share, steady_weight
        Share of piles that are seen steadily, before the site is known, and how many frames that assumption is worth.
    clutter_share, clutter_weight
        Share of the time in which something else stands there (bicycles, people), before the site is known, and how
        many frames that assumption is worth.
    clutter_lasts_s
        How long such a thing stands there on average.
    frame_s, hold_s
        A count without an interval is one that is reported on change: until the next report, at most for `hold_s`
        (its heartbeat, and a little), it is counted again every `frame_s`.
    on_its_way_s
        What was measured by so long ago has reached us.
    lids_per_day
        Lid openings of a container whose use is not known.
    brief_s
        What was taken for waste and goes so soon, without a crew, was clutter.
    frame_weight
        Exponent of a frame's likelihood; frames resemble each other, so that each tells less than if they did not.
    full_ratio, full_sd
        Level, as a sensor measures it, from which bags no longer go in, and how unsure that is.
    level_sd, level_outliers
        Noise of a level reading, ratio, and share of the readings that have nothing to do with the level.
    resettles_per_day
        How often what is in a container settles, so that there may be room again.
    ratio_per_lid, ratio_weight, ratio_memory_lids
        By how much a lid opening raises the level, before the container is known; how many openings that assumption
        is worth, and after how many openings what was learned has faded to 1/e.
    left_when_full
        Share of the lid openings of a full container after which the bag is left beside it.
    jammed_ratio, jammed_lids
        A container is jammed when lid openings should have raised its level by so much and it did not rise; said only
        where so many openings taught what one brings.
    report_odds
        A person's word that waste lies there, or does not, multiplies or divides the odds of it by so much.
    cause_weight, trust_weight
        How many decisions of people what is assumed of a site's causes, and of its findings being right, are worth.
    emptying_ratio, cleared_with_emptying
        A level that falls by so much was emptied; the share of emptyings at which the waste beside goes along.
    late_visit_s
        A visit told of longer after the camera's last frame is left out.
    fixture_share, fixture_memory_s
        What is seen in all but this share of the frames (fading) belongs to the site: a bench, a bicycle rack. At
        first that is what the first frames show.
    absorb_s
        What lies there for so long is taken for part of the site.
    forget_s
        A finding that nothing was heard about for so long is over: nobody knows.
    camera_lost_s
        A camera that says nothing for so long no longer observes.
    """

    raise_at: float = 0.95
    doubt_share: float = 0.03
    raise_unseen_at: float = 0.6
    clear_at: float = 0.1
    sure_of_cause: float = 0.65
    refractory_s: float = 3600.0
    dumps_per_day: float = 0.12
    bags_per_dump: float = 3.0
    lies_s: float = 30 * 3600.0
    sight: float = 0.8
    sight_poor: float = 0.55
    occluded: float = 0.12
    steady: float = 0.96
    steady_share: float = 0.5
    steady_weight: float = 30.0
    clutter_share: float = 0.002
    clutter_weight: float = 30.0
    clutter_lasts_s: float = 6000.0
    frame_s: float = 900.0
    hold_s: float = 4500.0
    on_its_way_s: float = 300.0
    lids_per_day: float = 10.0
    brief_s: float = 4 * 3600.0
    frame_weight: float = 0.8
    full_ratio: float = 0.96
    full_sd: float = 0.012
    level_sd: float = 0.0165
    level_outliers: float = 0.006
    resettles_per_day: float = 0.4
    ratio_per_lid: float = 0.022
    ratio_weight: float = 15.0
    ratio_memory_lids: float = 500.0
    left_when_full: float = 0.7
    jammed_ratio: float = 0.4
    jammed_lids: float = 40.0
    report_odds: float = 30.0
    cause_weight: float = 3.0
    trust_weight: float = 5.0
    emptying_ratio: float = 0.3
    cleared_with_emptying: float = 0.5
    late_visit_s: float = 1800.0
    fixture_share: float = 0.15
    fixture_memory_s: float = 4 * DAY_S
    absorb_s: float = 6 * DAY_S
    forget_s: float = 3 * DAY_S
    camera_lost_s: float = DAY_S

    def __post_init__(self) -> None:
        check_finite_and_positive(self, may_be_zero=("refractory_s", "occluded", "cleared_with_emptying"))
        if not self.clear_at < min(self.raise_at, self.raise_unseen_at) <= max(self.raise_at, self.raise_unseen_at) < 1:
            raise BadInput(
                f"A finding is raised at {self.raise_at} and cleared at {self.clear_at}.",
                "Use clear_at < raise_at < 1.",
            )
