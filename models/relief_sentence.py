"""What a planner reads: one plain sentence about the green of a junction."""

from collections.abc import Sequence

from models.signal_timing import Timing


def sentence(
    names: Sequence[str],
    now: Timing,
    then: Timing,
    from_hour: int,
    until_hour: int,
    saving_s: tuple[float, float, float],
    days: int,
    *,
    is_worth_it: bool,
    excess: float = 0.0,
) -> str:
    """Return the advice for some hours.

    Parameters
    ----------
    names
        What the approaches of each phase are called.
    saving_s
        Saving per vehicle, and its interval.
    excess
        Vehicles/h that come beyond what any division of green lets through; 0 = none.
    """
    between = f"between {from_hour:02d}:00 and {until_hour:02d}:00"
    rests = f"measured on {days} workdays"
    if not is_worth_it:
        said = f"Keep the green as it is {between}: no change is shown to save time ({rests})."
    else:
        saved = (
            f"saves about {_seconds(saving_s[0])} s ({_seconds(saving_s[1])} to {_seconds(saving_s[2])}) per vehicle"
        )
        said = f"{_change(names, now, then)} {between}: {saved}; {rests}."
    if excess > 0:
        said += (
            f" In the busiest hour about {_rounded(excess)} vehicles/h more come than can pass: green alone does not"
            " solve it, it takes room, another route or another hour."
        )
    return said


def _change(names: Sequence[str], now: Timing, then: Timing) -> str:
    if abs(now.cycle_s - then.cycle_s) < 1:
        moved = [new - old for new, old in zip(then.green_s, now.green_s, strict=True)]
        gains = [i for i, s in enumerate(moved) if s >= 0.5]
        loses = [i for i, s in enumerate(moved) if s <= -0.5]
        if gains and loses:
            seconds = sum(moved[i] for i in gains)
            return f"Move {_seconds(seconds)} s of green from {_names(names, loses)} to {_names(names, gains)}"
    greens = ", ".join(f"{_seconds(green)} s for {name}" for green, name in zip(then.green_s, names, strict=True))
    return f"Run a cycle of {then.cycle_s:.0f} s instead of {now.cycle_s:.0f} s, with green of {greens},"


def _names(names: Sequence[str], which: Sequence[int]) -> str:
    chosen = [names[i] for i in which]
    return chosen[0] if len(chosen) == 1 else f"{', '.join(chosen[:-1])} and {chosen[-1]}"


def _seconds(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1.5 else f"{value:.1f}"


def _rounded(value: float) -> str:
    return f"{max(10, round(value, -1)):,.0f}"
