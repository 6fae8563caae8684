"""Label errors found by embedkit, cleanlab, SelfClean, SimiFeat and a kNN vote, on the same vectors.

    python benchmarks/label_errors.py INDEX --space simclr [--seeds 10] [--workers 2] [--json OUT]

The labelled images of an index are taken for right, and four kinds of errors are put among their labels: 2, 5, 10 and
20% of all labels (of one label, where they go one way). Errors that the labels had before count against every method.
Folds of ours and of the logistic regression are by patient; SimiFeat and the vote leave the own patient out, SelfClean
does not. SelfClean is its formula.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
from label_noise import NOISES, Archive, see_plainly
from label_rankers import Doubles, Space, rank_by_peers, rank_by_us
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits

from embedkit.evaluation.calibration import calibration_error
from embedkit.heads.labels import encode_groups, encode_labels
from embedkit.indexes import Index
from embedkit.quality.estimate import estimate_errors

RATES = (0.02, 0.05, 0.10, 0.20)
OURS = "embedkit"
_FIRST = 100


@dataclass(frozen=True)
class Trial:
    """Which errors were put in."""

    noise: str
    rate: float
    seed: int


@dataclass(frozen=True)
class Result:
    """How well one method found the errors of one trial."""

    noise: str
    rate: float
    seed: int
    method: str
    auroc: float
    ap: float
    precision: float
    """Among as many as there are errors."""
    lift: float
    """The precision among the first 100 over that of chance."""


@dataclass(frozen=True)
class Estimate:
    """What we expected of one trial."""

    noise: str
    rate: float
    seed: int
    errors: int
    expected: float
    low: int
    high: int
    calibration_error: float
    """Expected calibration error of `score`, 15 bins of equal width."""


@cache
def load(path: Path, spaces: tuple[str, ...]) -> tuple[Archive, tuple[Space, ...]]:
    """The labelled images of an index, and their vectors in some spaces."""
    threadpool_limits(1)  # many small products: more threads only wait for each other
    index = Index.open(path)
    regions = np.array(index.images["region"].to_pylist(), dtype=object)
    rows = np.flatnonzero(regions != "")
    known = encode_labels(regions[rows])
    groups, _ = encode_groups(np.array(index.images["patient"].to_pylist(), dtype=object)[rows], len(rows))
    plain = see_plainly(index.pictures(rows), known.codes, groups)
    archive = Archive(known.names, known.codes, groups, plain)
    return archive, tuple(Space.of(index.vectors(name)[rows], groups) for name in spaces)


def score(wrong: npt.NDArray[np.bool_], suspicion: Doubles, trial: Trial, method: str) -> Result:
    """Compare suspicions with the truth."""
    order = np.argsort(-suspicion, kind="stable")
    count = int(wrong.sum())
    return Result(
        *asdict(trial).values(),
        method,
        float(roc_auc_score(wrong, suspicion)),
        float(average_precision_score(wrong, suspicion)),
        float(wrong[order[:count]].mean()),
        float(wrong[order[:_FIRST]].mean() / wrong.mean()),
    )


def run(trial: Trial, path: Path, spaces: tuple[str, ...], who: str) -> tuple[list[Result], list[Estimate]]:
    """Put errors in and look for them by our method, those of the peers, or all."""
    archive, seen = load(path, spaces)
    given = NOISES[trial.noise](archive, trial.rate, np.random.default_rng([trial.seed, RATES.index(trial.rate)]))
    wrong = given != archive.codes
    results, estimates = [], []
    if who != "peers":
        ours = rank_by_us(seen, given, trial.seed)
        total = estimate_errors(ours.score, np.zeros(len(given), dtype=bool), ours.disagreement)
        error = calibration_error(ours.score, wrong, np.arange(len(wrong)), draws=1).value
        count = int(wrong.sum())
        results.append(score(wrong, ours.score, trial, OURS))
        estimates.append(Estimate(*asdict(trial).values(), count, total.expected, total.low, total.high, error))
    if who != "ours":
        ranked = rank_by_peers(seen[0], given, trial.seed, archive.classes)
        results += [score(wrong, suspicion, trial, name) for name, suspicion in ranked.items()]
    return results, estimates


def measure(
    path: Path,
    spaces: Sequence[str],
    seeds: Iterable[int],
    *,
    noises: Sequence[str] = tuple(NOISES),
    workers: int = 2,
    who: str = "all",
) -> tuple[list[Result], list[Estimate]]:
    """Run every trial, in processes of one thread each; peers get the first of the spaces."""
    trials = [Trial(*parts) for parts in product(noises, RATES, seeds)]
    work = partial(run, path=path, spaces=tuple(spaces), who=who)
    results, estimates, start = [], [], time.monotonic()
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for done, (found, expected) in enumerate(pool.map(work, trials), start=1):
            results += found
            estimates += expected
            left = (time.monotonic() - start) * (len(trials) / done - 1)
            print(f"\r{done} of {len(trials)}, {left / 60:.0f} min left", end="", flush=True, file=sys.stderr)
    return results, estimates


def tables(results: Sequence[Result], estimates: Sequence[Estimate]) -> Iterator[str]:
    """Markdown: a table for each kind of noise, our lead over the best peer, and whether our numbers are right."""
    for noise in dict.fromkeys(result.noise for result in results):
        yield from _table_of([result for result in results if result.noise == noise], noise)
    yield from _lead(results)
    yield "| | interval holds the errors | calibration error |\n|---|---|---|"
    for noise in dict.fromkeys(estimate.noise for estimate in estimates):
        own = [estimate for estimate in estimates if estimate.noise == noise]
        held = sum(e.low <= e.errors <= e.high for e in own)
        yield f"| {noise} | {held} of {len(own)} | {_spread([e.calibration_error for e in own])} |"


def _table_of(results: Sequence[Result], noise: str) -> Iterator[str]:
    yield f"| {noise} |" + "|".join(f" AP, {rate:.0%} " for rate in RATES) + "| AP | AUROC | precision | lift at 100 |"
    yield "|---" * (len(RATES) + 5) + "|"
    for method in dict.fromkeys(result.method for result in results):
        own = [result for result in results if result.method == method]
        cells = [_spread([r.ap for r in own if r.rate == rate]) for rate in RATES]
        cells += [_spread(list(_by_seed(own, figure).values())) for figure in ("ap", "auroc", "precision", "lift")]
        yield f"| {method} | " + " | ".join(cells) + " |"
    yield ""


def _lead(results: Sequence[Result]) -> Iterator[str]:
    """How far our average precision is above that of the best peer, and what that varies from seed to seed."""
    yield "| | ours | best peer | its | lead |\n|---|---|---|---|---|"
    for noise in dict.fromkeys(result.noise for result in results):
        by_method = defaultdict(list)
        for result in results:
            if result.noise == noise:
                by_method[result.method].append(result)
        means = {method: _by_seed(own, "ap") for method, own in by_method.items()}
        ours = means.pop(OURS, None)
        if means and ours:
            best = max(means, key=lambda method: float(np.mean(list(means[method].values()))))
            leads = [ours[seed] - means[best][seed] for seed in ours]
            both = (_spread(list(values.values())) for values in (ours, means[best]))
            yield f"| {noise} | {next(both)} | {best} | {next(both)} | {_spread(leads)} |"
    yield ""


def _by_seed(results: Sequence[Result], figure: str) -> dict[int, float]:
    """The mean of a figure over the rates, by seed."""
    values: dict[int, list[float]] = defaultdict(list)
    for result in results:
        values[result.seed].append(getattr(result, figure))
    return {seed: float(np.mean(own)) for seed, own in values.items()}


def _spread(values: Sequence[float]) -> str:
    """Mean and deviation from seed to seed."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.3f}"


def main() -> None:
    """Run all and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument(
        "--space", action="append", required=True, help="repeatable: we may use several, peers the first"
    )
    parser.add_argument("--noise", action="append", choices=NOISES)
    parser.add_argument("--first-seed", type=int, default=0, help="seeds 0 to 9 are reported; tune on others")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--who", choices=("all", "ours", "peers"), default="all")
    parser.add_argument("--with", dest="earlier", type=Path, help="put in what an earlier run wrote as JSON")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    results, estimates = measure(
        given.index,
        given.space,
        seeds,
        noises=given.noise or tuple(NOISES),
        workers=given.workers,
        who=given.who,
    )
    if given.earlier:
        facts = json.loads(given.earlier.read_text(encoding="utf-8"))
        results += [Result(**fact) for fact in facts["results"]]
        estimates += [Estimate(**fact) for fact in facts["estimates"]]
    print("\n".join(tables(results, estimates)))
    if given.json:
        facts = {"results": [asdict(r) for r in results], "estimates": [asdict(e) for e in estimates]}
        given.json.write_text(json.dumps(facts, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
