"""The shipped encoder by every runtime and precision of this machine, beside torch in fp32.

    python benchmarks/encode.py [--encoder simclr] [--pictures 256]

Pictures are synthetic shadows and noise; the first batch, which compiles, is not counted. The cosine is the lowest
between the vectors of one picture.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import cv2
import numpy as np

from embedkit.encoder import Encoder, load_encoder
from embedkit.encoder.encoding import PRECISIONS, RUNTIMES
from embedkit.errors import UsageError


@dataclass(frozen=True)
class Encoding:
    """One way to run the encoder."""

    runtime: str
    precision: str
    images_a_second: float
    core_ms: float
    cosine: float


def measure(encoder: str = "simclr", pictures: int = 256) -> list[Encoding]:
    """Encode the same pictures in every way that this machine has."""
    shown = make_pictures(pictures)
    reference = load_encoder(encoder, "fp32", "torch-cpu").encode(shown)
    found = []
    for runtime in RUNTIMES:
        for precision in PRECISIONS:
            try:
                one = load_encoder(encoder, precision, runtime)
            except UsageError:  # not on this machine
                continue
            found.append(_time(one, shown, reference))
    return found


def make_pictures(count: int) -> np.ndarray:
    """Soft shadows with noise, uint8 (count, 256, 256)."""
    rng = np.random.default_rng(0)
    coarse = rng.random((count, 12, 12)).astype(np.float32)
    grey = np.stack([cv2.resize(one, (256, 256), interpolation=cv2.INTER_CUBIC) for one in coarse])
    return np.clip(255 * grey + rng.normal(0, 8, grey.shape), 0, 255).astype(np.uint8)


def _time(encoder: Encoder, pictures: np.ndarray, reference: np.ndarray) -> Encoding:
    encoder.encode(pictures[:64])
    start, cores = time.perf_counter(), time.process_time()
    vectors = encoder.encode(pictures)
    seconds, cores = time.perf_counter() - start, time.process_time() - cores
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(reference, axis=1)
    cosine = float(((vectors * reference).sum(axis=1) / lengths).min())
    count = len(pictures)
    return Encoding(encoder.runtime, encoder.precision, count / seconds, 1000 * cores / count, cosine)


def draw_table(measured: list[Encoding]) -> str:
    """As Markdown."""
    lines = [
        "| runtime | precision | images/s | core-ms an image | least cosine to torch fp32 |",
        "|---|---|---|---|---|",
    ]
    for row in measured:
        numbers = f"{row.images_a_second:.0f} | {row.core_ms:.1f} | {row.cosine:.5f}"
        lines.append(f"| {row.runtime} | {row.precision} | {numbers} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="simclr")
    parser.add_argument("--pictures", type=int, default=256)
    arguments = parser.parse_args()
    print(draw_table(measure(arguments.encoder, arguments.pictures)))


if __name__ == "__main__":
    main()
