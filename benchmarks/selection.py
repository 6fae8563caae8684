"""Which images to label: `embedkit select` beside random choice and published methods; and clusters named in one go.

    python benchmarks/selection.py INDEX [--space simclr] [--seeds 11 12 13 14 15] [--part choice more clusters]

On the images of an index that have a label (the truth here) and a patient. A quarter of the patients is held out; from
the rest each method chooses without seeing a label, the linear head learns from what was chosen, and is judged on those
held out. Every row is the mean and the deviation over seeds, which cut the patients and start the methods.

Peers: k-means centres and k-centre (Sener and Savarese, arXiv 1708.00489) on the same directions, TypiClust (Hacohen et
al., arXiv 2202.02794), and the smallest margin (uncertainty alone) where there are labels to begin with.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from embedkit.annotate import choose_to_label, find_clusters
from embedkit.heads import Moments, fit_head, fit_linear, number_groups, whiten
from embedkit.indexes import Index
from embedkit.indexes.vectors import unit
from embedkit.quality import rank_label_issues

BUDGETS = (100, 300, 1000)
CLUSTERS = (20, 50, 100)
_START, _MORE = 100, 200

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Choose = Callable[[Floats, int, np.random.Generator], Ints]
"""(vectors (N, D), budget, generator) -> rows, the first the most wanted."""


@dataclass(frozen=True)
class Archive:
    """N labelled images: the truth, and what methods may see of it."""

    vectors: Floats
    regions: tuple[str, ...]
    codes: Ints
    groups: Ints

    @classmethod
    def read(cls, path: str, space: str) -> Archive:
        """The labelled images of an index."""
        index = Index.open(path)
        region, patient = (np.array(index.images[name].to_pylist(), dtype=object) for name in ("region", "patient"))
        rows = np.flatnonzero(region != "")
        regions, codes = np.unique(region[rows].astype(str), return_inverse=True)
        groups = number_groups(patient[rows], len(rows))
        return cls(index.vectors(space)[rows], tuple(regions.tolist()), codes, groups)

    def split(self, seed: int) -> tuple[Ints, Ints]:
        """Rows to choose from, and those of a quarter of the patients."""
        order = np.random.default_rng(seed).permutation(int(self.groups.max()) + 1)
        held_out = np.isin(self.groups, order[: len(order) // 4])
        return np.flatnonzero(~held_out), np.flatnonzero(held_out)

    def judge(self, learnt: Ints, held_out: Ints) -> tuple[float, float]:
        """Accuracy, and the mean of the regions' accuracies, on `held_out` of the head that learns from `learnt`."""
        codes = np.full(len(self.codes), -1)
        codes[learnt] = self.codes[learnt]
        head = fit_linear(Moments.of(self.vectors, codes, len(self.regions)), self.regions)
        truth = self.codes[held_out]
        right = head.logits(self.vectors[held_out]).argmax(axis=1) == truth
        return float(right.mean()), float(np.mean([right[truth == code].mean() for code in np.unique(truth)]))

    def labels(self, rows: Ints) -> NDArray[np.object_]:
        """The regions of `rows`, "" for all other images."""
        labels = np.full(len(self.codes), "", dtype=object)
        labels[rows] = np.array(self.regions, dtype=object)[self.codes[rows]]
        return labels


@dataclass
class Table:
    """Results by row and column, one number a seed."""

    title: str
    cells: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, row: str, column: str, value: float) -> None:
        """Add what one seed gave."""
        self.cells.setdefault(row, {}).setdefault(column, []).append(value)

    def to_markdown(self) -> str:
        """Mean and deviation in percent."""
        columns = list(dict.fromkeys(column for cells in self.cells.values() for column in cells))
        lines = [f"| {self.title} | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
        for row, cells in self.cells.items():
            shown = (f"{100 * np.mean(v):.1f} ± {100 * np.std(v):.1f}" if (v := cells.get(c)) else "" for c in columns)
            lines.append(f"| {row} | {' | '.join(shown)} |")
        return "\n".join(lines)


def choose_randomly(vectors: Floats, budget: int, rng: np.random.Generator) -> Ints:
    """Any images."""
    return rng.permutation(len(vectors))[:budget]


def choose_farthest(vectors: Floats, budget: int, rng: np.random.Generator) -> Ints:
    """k-centre, greedily: always the image that is farthest from all chosen ones."""
    points = unit(vectors)
    chosen, nearest = [int(rng.integers(len(points)))], np.full(len(points), -1, np.float32)
    while len(chosen) < budget:
        nearest = np.maximum(nearest, points @ points[chosen[-1]])
        nearest[chosen[-1]] = 2
        chosen.append(int(nearest.argmin()))
    return np.array(chosen)


def choose_centres(vectors: Floats, budget: int, rng: np.random.Generator) -> Ints:
    """The image nearest to the centre of each of as many k-means clusters; any others where images coincide."""
    points = unit(vectors)
    cluster, distance = _sort_into_clusters(points, budget, rng)
    order = np.lexsort((distance, cluster))
    chosen = order[np.unique(cluster[order], return_index=True)[1]]
    rest = rng.permutation(np.setdiff1d(np.arange(len(points)), chosen))
    return np.concatenate([chosen, rest])[:budget]


def choose_typical(vectors: Floats, budget: int, rng: np.random.Generator) -> Ints:
    """TypiClust: at most 500 clusters, in turn from the largest; of each the image with the nearest 20 neighbours."""
    points = unit(vectors)
    cluster, _ = _sort_into_clusters(points, min(budget, 500), rng)
    queues = [rows[np.argsort(-_typicality(points[rows]), kind="stable")].tolist() for rows in _members(cluster)]
    queues.sort(key=len, reverse=True)
    large = [queue for queue in queues if len(queue) > 5] or queues
    chosen: list[int] = []
    while len(chosen) < budget:
        large = [queue for queue in large if queue] or [queue for queue in queues if queue]
        chosen += [queue.pop(0) for queue in large[: budget - len(chosen)]]
    return np.array(chosen)


def _sort_into_clusters(points: Floats, count: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
    from sklearn.cluster import KMeans

    fitted = KMeans(min(count, len(points)), n_init=1, random_state=int(rng.integers(2**31))).fit(points)
    return fitted.labels_, np.linalg.norm(points - fitted.cluster_centers_[fitted.labels_], axis=1)


def _members(cluster: Ints) -> list[Ints]:
    return [np.flatnonzero(cluster == number) for number in np.unique(cluster)]


def _typicality(points: Floats) -> Floats:
    """One over the mean distance to the nearest 20 of the cluster."""
    near = -np.sort(-(points @ points.T), axis=1)[:, 1:21]
    return (
        1 / (np.sqrt(np.maximum(2 - 2 * near, 0)).mean(axis=1) + 1e-5) if len(points) > 1 else np.zeros(1, np.float32)
    )


def choose_ours(vectors: Floats, budget: int, rng: np.random.Generator) -> Ints:  # noqa: ARG001 (nothing is random)
    """What `embedkit select` does without labels."""
    rows = np.arange(len(vectors))
    return choose_to_label(vectors, budget, [""] * len(rows), None, covered=rows[:0], among=rows)


METHODS: dict[str, Choose] = {
    "random": choose_randomly,
    "k-means centres": choose_centres,
    "k-centre": choose_farthest,
    "k-centre, whitened": lambda vectors, budget, rng: choose_farthest(whiten(vectors), budget, rng),
    "TypiClust": choose_typical,
    "embedkit select": choose_ours,
}
_ANEW = ("k-means centres", "TypiClust")
"""Methods that choose anew for each budget; of the others a smaller choice is the start of a larger one."""


def measure(archive: Archive, seeds: Sequence[int], parts: Sequence[str]) -> list[Table]:
    """Fill the tables of `parts` (keys of `PARTS`), seed by seed."""
    tables = {part: [Table(title) for title in titles] for part, (titles, _) in PARTS.items() if part in parts}
    for seed in seeds:
        for part, filled in tables.items():
            PARTS[part][1](archive, seed, *filled)
            print(f"seed {seed}: {part} done", file=sys.stderr)
    return [table for filled in tables.values() for table in filled]


def measure_choice(archive: Archive, seed: int, accuracy: Table, by_region: Table) -> None:
    """A site without any label."""
    pool, held_out = archive.split(seed)
    for name, choose in METHODS.items():
        order = np.empty(0, np.int64)
        for budget in BUDGETS:
            if name in _ANEW or len(order) == 0:
                wanted = budget if name in _ANEW else BUDGETS[-1]
                order = choose(archive.vectors[pool], wanted, np.random.default_rng(seed))
            right, mean = archive.judge(pool[order[:budget]], held_out)
            accuracy.add(name, f"{budget:,}", right)
            by_region.add(name, f"{budget:,}", mean)
    right, mean = archive.judge(pool, held_out)
    accuracy.add("all labels of the pool", f"{BUDGETS[-1]:,}", right)
    by_region.add("all labels of the pool", f"{BUDGETS[-1]:,}", mean)


def measure_more(archive: Archive, seed: int, table: Table) -> None:
    """A site with some labels: of images at random, or of half of the regions only."""
    pool, held_out = archive.split(seed)
    half = np.argsort(-np.bincount(archive.codes[pool]))[: (len(archive.regions) + 1) // 2]
    for column, rows in {
        "start at random": pool,
        "start with the commoner half of the regions": pool[np.isin(archive.codes[pool], half)],
    }.items():
        rng = np.random.default_rng(seed)
        start = rng.permutation(rows)[:_START]
        rest = np.setdiff1d(pool, start)
        labels, sure = archive.labels(start), np.isin(np.arange(len(archive.codes)), start)
        codes = np.where(sure, archive.codes, -1)
        likely = np.sort(
            fit_head(archive.vectors, codes, archive.groups, archive.regions).probabilities(archive.vectors[rest])
        )
        groups = archive.groups.astype(str)
        chosen = {
            "none": rest[:0],
            "random": rng.permutation(rest)[:_MORE],
            "smallest margin": rest[np.argsort(likely[:, -1] - likely[:, -2], kind="stable")[:_MORE]],
            "embedkit select": choose_to_label(archive.vectors, _MORE, labels, groups, covered=start, among=rest),
        }
        for name, more in chosen.items():
            table.add(name, column, archive.judge(np.concatenate([start, more]), held_out)[0])


def measure_clusters(archive: Archive, seed: int, table: Table) -> None:
    """Clusters named by what most of the images on their sheet show; then the ranking cleans the names."""
    for count in CLUSTERS:
        clusters = find_clusters(archive.vectors, count, seed=seed)
        shown = [archive.codes[clusters.examples(cluster)] for cluster in range(len(clusters))]
        named = np.array([np.bincount(codes).argmax() for codes in shown])[clusters.of_image]
        ranking = rank_label_issues(
            np.array(archive.regions, dtype=object)[named], archive.vectors, groups=archive.groups.astype(str)
        )
        wrong, truth = ranking.is_issue, np.array(archive.regions)[archive.codes]
        suggested = np.array(ranking.classes)[np.where(wrong, ranking.suggested, ranking.given)]
        row = f"{count} clusters"
        table.add(row, "as named", float((named == archive.codes).mean()))
        table.add(row, "suspects left out", float((named == archive.codes)[~wrong].mean()))
        table.add(row, "suspects (share of images)", float(wrong.mean()))
        table.add(row, "suspects as suggested", float((suggested == truth).mean()))


PARTS: dict[str, tuple[tuple[str, ...], Callable[..., None]]] = {
    "choice": (("labels chosen: accuracy", "labels chosen: mean of the regions' accuracies"), measure_choice),
    "more": ((f"{_START} labels, then {_MORE} chosen: accuracy",), measure_more),
    "clusters": (("images labelled by clusters: right",), measure_clusters),
}


def main() -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index")
    parser.add_argument("--space", default="simclr")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13, 14, 15])
    parser.add_argument("--part", nargs="+", choices=list(PARTS), default=list(PARTS))
    arguments = parser.parse_args()
    archive = Archive.read(arguments.index, arguments.space)
    tables = measure(archive, arguments.seeds, arguments.part)
    patients = len(np.unique(archive.groups))
    print(f"{len(archive.codes):,} images, {patients:,} patients, {len(archive.regions)} regions; {arguments.space}\n")
    print("\n\n".join(table.to_markdown() for table in tables))


if __name__ == "__main__":
    main()
