"""Anomaly streams with planted windows: the detector beside a windowed Gaussian and a raw z-score in the same run."""

import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from bench._anomaly_streams import KINDS, Stream, best_score, streams
from models.anomalies import AnomalyDetector

# Seeds 1 to 3 are for development.
SEED = 11
WINDOW, EVERY = 150, 10
Floats = npt.NDArray[np.float64]
Scored = list[tuple[Stream, Floats]]


def run(quick: bool) -> dict[str, Any]:
    """Return scores 0..100 per detector, over all streams and per kind, with one threshold, and cost per record."""
    told = streams(SEED, 2 if quick else 6)
    began = time.process_time()
    ours: Scored = [(one, _detector(one)) for one in told]
    cost_s = time.process_time() - began
    records = sum(len(one.value) for one in told)
    by = {
        "detector": ours,
        "windowed_gaussian": [(one, _windowed_gaussian(one.value)) for one in told],
        "raw_z": [(one, _raw_z(one.value)) for one in told],
    }
    flat = np.concatenate([score for _, score in ours])
    high = flat[flat > 0.5]
    return {
        "streams": len(told),
        "records": records,
        "windows": sum(len(one.windows) for one in told),
        "us_per_record": round(cost_s / records * 1e6, 2),
        "tied_above_one_half": round(1 - len(np.unique(high)) / max(len(high), 1), 5),
        "largest_score": float(flat.max()),
        "one_threshold": {name: round(best_score(scored)[0], 1) for name, scored in by.items()},
        "threshold_per_kind": {
            kind: {
                name: round(best_score([pair for pair in scored if pair[0].kind == kind])[0], 1)
                for name, scored in by.items()
            }
            for kind in KINDS
        },
    }


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    names = list(figures["one_threshold"])
    lines = [
        f"{figures['streams']} streams, {figures['records']} records, {figures['windows']} windows; "
        f"{figures['us_per_record']} us of CPU a record; "
        f"{figures['tied_above_one_half']:.2%} of the scores above 0.5 are tied, the largest is "
        f"{figures['largest_score']:.4f}.",
        "",
        "| streams | " + " | ".join(name.replace("_", " ") for name in names) + " |",
        "| --- |" + " ---: |" * len(names),
        "| all, one threshold | " + " | ".join(f"{figures['one_threshold'][name]:.1f}" for name in names) + " |",
    ]
    for kind, scores in figures["threshold_per_kind"].items():
        lines.append(f"| {kind}, own threshold | " + " | ".join(f"{scores[name]:.1f}" for name in names) + " |")
    return "\n".join(lines)


def _detector(stream: Stream) -> Floats:
    detector = AnomalyDetector()
    pairs = zip(stream.at_s.tolist(), stream.value.tolist(), strict=True)
    return np.array([detector.score(at_s, value) for at_s, value in pairs])


def _windowed_gaussian(value: Floats) -> Floats:
    """Tail probability under a normal distribution of the last `WINDOW` records, fitted anew every `EVERY`."""
    score, mean, spread = np.zeros(len(value)), 0.0, 1.0
    for t in range(WINDOW, len(value)):
        if (t - WINDOW) % EVERY == 0:
            last = value[t - WINDOW : t]
            mean, spread = float(last.mean()), max(float(last.std()), 1e-6)
        score[t] = 1 - 0.5 * math.erfc(abs(float(value[t]) - mean) / spread / math.sqrt(2))
    return score


def _raw_z(value: Floats) -> Floats:
    """Distance from a running mean in running standard deviations."""
    score, mean, square = np.zeros(len(value)), float(value[0]), 1.0
    for t, now in enumerate(value[1:].tolist(), start=1):
        score[t] = abs(now - mean) / math.sqrt(max(square, 1e-9))
        weight = max(1 / (t + 1), 1 / 200)
        square += weight * ((now - mean) ** 2 - square)
        mean += weight * (now - mean)
    return score
