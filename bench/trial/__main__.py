"""Error rates and sample sizes of the sequential test of a trial, by simulation: no timing, the same on every machine.

    python -m bench.trial                                                         what docs/MLOPS_PIPELINE.md quotes
    python -m bench.trial --share 0.5 --alpha 0.1 --trials 5000 --most 4000

Every trial draws studies with the given agreement rates until the test decides or the most studies are reached.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "lambdas"))  # as the function finds it

from model_evaluation.sequential import Study, judged

RATES = ((0.90, 0.90), (0.80, 0.80), (0.90, 0.92), (0.90, 0.95), (0.80, 0.90), (0.90, 0.85), (0.90, 0.80), (0.90, 0.70))
"""Agreement of the champion and of the challenger with the readers; where both are equal, each decision is an error."""
OUTCOMES = ("better", "worse", "undecided")


def studies(champion: float, challenger: float, share: float, draw: random.Random) -> Iterator[Study]:
    """Studies without end."""
    while True:
        new = draw.random() < share
        yield Study(challenger=new, agrees=draw.random() < (challenger if new else champion))


def simulate(rates: tuple[float, float], options: argparse.Namespace) -> dict[str, float]:
    """Share of the trials with each outcome, and how many studies they took."""
    draw, ends, taken = random.Random(options.seed), dict.fromkeys(OUTCOMES, 0), list[int]()  # noqa: S311 - simulation
    for _ in range(options.trials):
        evidence, outcome = judged(studies(*rates, options.share, draw), options.share, options.alpha, options.most)
        ends[outcome or "undecided"] += 1
        taken.append(evidence.studies)
    middle, tenth = statistics.median(taken), statistics.quantiles(taken, n=10)[-1]
    said = {name: round(count / options.trials, 4) for name, count in ends.items()}
    return {"champion": rates[0], "challenger": rates[1], **said, "studies_median": middle, "studies_p90": tenth}


def main() -> int:
    """The command line; exit code 1 where an error rate is above alpha by more than three standard errors."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.trial", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--share", type=float, default=0.3, help="of the challenger (default 0.3)")
    parser.add_argument("--alpha", type=float, default=0.05, help="chance of each wrong decision (default 0.05)")
    parser.add_argument("--most", type=int, default=2000, help="studies of a trial (default 2000)")
    parser.add_argument("--trials", type=int, default=1000, help="simulated for each pair of rates (default 1000)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="as JSON instead of a table")
    options = parser.parse_args()
    rows = [simulate(rates, options) for rates in RATES]
    if options.json:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
    else:
        sys.stdout.write("".join(f"{name:>15}" for name in rows[0]) + "\n")
        sys.stdout.writelines("".join(f"{value:>15g}" for value in row.values()) + "\n" for row in rows)
    allowed = options.alpha + 3 * (options.alpha * (1 - options.alpha) / options.trials) ** 0.5
    wrong = [max(row["better"], row["worse"]) for row in rows if row["champion"] == row["challenger"]]
    return int(max(wrong) > allowed)


if __name__ == "__main__":
    sys.exit(main())
