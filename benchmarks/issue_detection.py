"""Foreign images and near-duplicates found by embedkit and by SelfClean, on the same vectors (SelfClean's protocol).

    python benchmarks/issue_detection.py INDEX --space simclr [--seeds 10]

Foreign: images of one region, each in turn, are put among 1,000 images of the others (1 in 20), with a label of those
drawn by chance, or with none. Near-duplicates: a tenth of 500 images is put in a second time, turned, scaled, with
another contrast, every other one mirrored, and encoded again by the shipped encoder of the space's name. SelfClean's
near-duplicates are the pairs by cosine, as are ours behind those that are listed; its score of out-of-domain images
needs its package (`pip install selfclean`, in an environment of its own).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from label_rankers import compare_all
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits

from embedkit.encoder import load_encoder
from embedkit.indexes import Index
from embedkit.quality import find_graph
from embedkit.quality.duplicates import find_duplicates
from embedkit.quality.pictures import THUMBNAIL, shrink
from embedkit.quality.screening import screen_labels

Floats = npt.NDArray[np.float32]
Scores = dict[str, npt.NDArray[np.float64]]
Flags = npt.NDArray[np.bool_]
_HOSTS, _ORIGINALS, _SHARE, _FOREIGN = 1000, 500, 0.1, 0.05


def measure_foreign(
    vectors: Floats,
    regions: npt.NDArray[np.object_],
    groups: npt.NDArray[np.object_],
    *,
    labelled: bool,
    seed: int,
) -> tuple[Flags, Scores]:
    """Which images are out of domain, and how out of domain each method finds them."""
    rng = np.random.default_rng(seed)
    names = sorted({*regions} - {""})
    guest = names[seed % len(names)]
    host = np.flatnonzero((regions != guest) & (regions != ""))
    rows = rng.choice(host, min(_HOSTS, len(host)), replace=False)
    guests = rng.choice(np.flatnonzero(regions == guest), round(_FOREIGN * len(rows)), replace=False)
    rest = [name for name in names if name != guest]
    given = np.concatenate([regions[rows], rng.choice(rest, len(guests)) if labelled else np.full(len(guests), "")])
    rows = np.concatenate([rows, guests])
    found = screen_labels(given, vectors[rows], groups[rows], seed=seed).out_of_domain
    scores = {"embedkit": found, **_selfclean(vectors[rows])}
    return np.arange(len(rows)) >= len(rows) - len(guests), scores


def _selfclean(vectors: Floats) -> Scores:
    """SelfClean's off-topic score by its own package, where that is installed."""
    try:
        from selfclean.cleaner.selfclean_cleaner import SelfCleanCleaner
    except ImportError:
        return {}
    cleaner = SelfCleanCleaner(memmap=False, log_level="ERROR")
    cleaner.fit(vectors)
    ranked, rows = cleaner.get_off_topic_ranking()
    scores = np.empty(len(vectors))
    scores[rows] = -np.asarray(ranked)
    return {"SelfClean": scores}


def measure_duplicates(index: Index, space: str, vectors: Floats, seed: int) -> tuple[Flags, Scores]:
    """Which pairs are an image and its copy, and how alike each method finds them."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(index), min(_ORIGINALS, len(index)), replace=False)
    pictures = index.pictures(rows)
    chosen = rng.choice(len(rows), round(_SHARE * len(rows)), replace=False)
    copies = np.stack([_change(pictures[row], rng, mirrored=bool(n % 2)) for n, row in enumerate(chosen)])
    made = load_encoder(space, index.spaces[space].precision, index.spaces[space].runtime).encode(copies)
    pictures, points = np.concatenate([pictures, copies]), np.concatenate([vectors[rows], made])
    near = compare_all(points)
    first, second = np.triu_indices(len(points), 1)
    candidates = find_graph(points, np.arange(len(points))).candidates
    thumbnails = np.stack([shrink(picture, THUMBNAIL) for picture in pictures])
    names = [str(number) for number in range(len(points))]
    found = find_duplicates(candidates, names, thumbnails, lambda wanted: pictures[wanted])
    ours, copied = near.astype(np.float64), np.zeros(near.shape, dtype=bool)
    ours[found.first, found.second] += 2 * found.score  # the pairs that are listed, then all others by cosine
    copied[chosen, len(rows) + np.arange(len(chosen))] = True
    return copied[first, second], {"embedkit": ours[first, second], "SelfClean": near[first, second]}


def _change(picture: npt.NDArray[np.uint8], rng: np.random.Generator, *, mirrored: bool) -> npt.NDArray[np.uint8]:
    middle = (len(picture) / 2, len(picture) / 2)
    turn = cv2.getRotationMatrix2D(middle, rng.uniform(-10, 10), rng.uniform(0.9, 1.1))
    moved = cv2.warpAffine(picture, turn, picture.shape[::-1])
    bright = np.clip(255 * (moved / 255) ** rng.uniform(0.7, 1.4), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(bright[:, ::-1]) if mirrored else bright


def trials(index: Index, space: str, seeds: int) -> Iterator[tuple[str, Flags, Mapping[str, npt.NDArray[np.float64]]]]:
    """Every trial: what is sought, the truth, and each method's scores."""
    vectors = index.vectors(space)
    regions, groups = (np.array(index.images[name].to_pylist(), dtype=object) for name in ("region", "patient"))
    for seed in range(seeds):
        yield "out of domain, labelled", *measure_foreign(vectors, regions, groups, labelled=True, seed=seed)
        yield "out of domain, no label", *measure_foreign(vectors, regions, groups, labelled=False, seed=seed)
        yield "near-duplicates", *measure_duplicates(index, space, vectors, seed)


def main() -> None:
    """Run all and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("--space", default="simclr")
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    threadpool_limits(1)
    values: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for what, truth, scores in trials(Index.open(given.index), given.space, given.seeds):
        for method, score in scores.items():
            values[what, method].append((roc_auc_score(truth, score), average_precision_score(truth, score)))
            print(what, method, *(f"{figure:.4f}" for figure in values[what, method][-1]), flush=True)
    print("\n| sought | method | AUROC | average precision |\n|---|---|---|---|")
    for (what, method), figures in values.items():
        mean, spread = np.mean(figures, axis=0), np.std(figures, axis=0)
        cells = (f"{a:.3f} ± {b:.3f}" for a, b in zip(mean, spread, strict=True))
        print(f"| {what} | {method} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
