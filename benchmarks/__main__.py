"""Everything that is timed, beside its peer, on this machine, in one run; written down with the facts of the machine.

    python benchmarks SMALL_DUMP FULL_SIZE_DUMP [--copies 12] [--repeat 3] [--files 1000 10000] [--vectors 100000]
        [--images 20000] [--index INDEX --space simclr] [--out docs/performance.md]

Leave the machine alone meanwhile. Each part can be run by itself too: the scripts beside this one.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import embed
import encode
import neighbours
import peers
import sandbox
import scale
import serving

_LIBRARIES = ("torch", "openvino", "faiss-gpu", "imagecodecs", "opencv-python-headless", "pydicom")


def describe_machine() -> str:
    """The processor, its cores and what it computes in, memory, system and libraries."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    processor = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in reversed(lines))}
    flags = processor.get("flags", "").split()
    faster = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if flag in flags]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return (
        f"{processor.get('model name', platform.machine())} (family {processor.get('cpu family')}, model "
        f"{processor.get('model')}; {', '.join(faster)}), {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"{platform.system()}, Python {platform.python_version()}; {libraries}."
    )


def draw_sections(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield a title, a sentence and the tables of each part."""
    yield "# Performance\n\n`python benchmarks` wrote this page. " + describe_machine()
    repeat, copies = arguments.repeat, arguments.copies
    peer = "Beside pydicom's `pixel_array`, a resize, torchvision's ResNet18 in fp32 and a DataLoader with two workers"
    yield f"## The job, small files\n\n{peer}; medians of {repeat}.\n\n{embed.compare(arguments.small, repeat)}"
    yield _fence(embed.profile_reading(arguments.small))
    tables = embed.compare(arguments.full_size, max(1, repeat // 2), copies)
    yield f"## The job, full-size files\n\nThe same peer; the dump {copies} times over.\n\n{tables}"
    yield _fence(embed.profile_reading(arguments.full_size))
    words = "One worker process, limits and clock included, beside the same reading in a loop."
    small = sandbox.compare(arguments.small, repeat)
    full_size = sandbox.compare(arguments.full_size, repeat, max(1, copies // 4))
    yield f"## The sandbox\n\n{words} Small files:\n\n{small}\n\nFull-size files:\n\n{full_size}"
    yield f"## Beside embedding loops of others\n\n{_draw_loops(arguments)}"
    yield f"## The encoder\n\nBeside torch in fp32.\n\n{encode.draw_table(encode.measure())}"
    near = neighbours.draw_table(neighbours.measure(arguments.vectors, arguments.index, arguments.space))
    yield f"## The nearest of all\n\nBeside FAISS's exact search and HNSW: 20 neighbours, 512 dimensions.\n\n{near}"
    served = serving.draw_table(serving.measure(arguments.images, arguments.index, arguments.space))
    words = "What `embed` derives from the shards, and what it serves; memory is own + mapped from files."
    yield f"## Serving\n\n{words}\n\n{served}"
    grown = scale.draw_table([scale.measure(files) for files in arguments.files])
    yield f"## As a dump grows\n\nFiles of 64 x 64 pixels: what each costs whatever its size.\n\n{grown}"


def _draw_loops(arguments: argparse.Namespace) -> str:
    """Both dumps beside the peers that are installed; the full-size one fewer times, for its pictures are large."""
    words = (
        "Neither lightly nor FiftyOne reads DICOM, so all embed PNG files in display grey and full size, which our "
        "reader made beforehand: a gift to them. They run in fp32 with two workers; ours writes its index besides."
    )
    small = peers.compare(arguments.small, arguments.repeat)
    full_size = peers.compare(arguments.full_size, max(1, arguments.repeat // 2), max(1, arguments.copies // 4))
    return "\n\n".join(dict.fromkeys([words, small, full_size]))  # without a peer both say the same


def _fence(profile: str) -> str:
    return f"Where reading and cleaning spend their time (the profiler's own included):\n\n```text\n{profile}\n```"


def main() -> None:
    """Measure all, and write the page as it grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("small", type=Path, help="a dump of small files")
    parser.add_argument("full_size", type=Path, help="a dump of full-size files")
    parser.add_argument("--copies", type=int, default=12)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--vectors", type=int, nargs="+", default=[100_000])
    parser.add_argument("--images", type=int, nargs="+", default=[20_000])
    parser.add_argument("--index", type=Path, help="an index whose vectors are multiplied for graph and serving")
    parser.add_argument("--space")
    parser.add_argument("--out", type=Path, default=Path("docs/performance.md"))
    arguments = parser.parse_args()
    written: list[str] = []
    for section in draw_sections(arguments):
        written.append(section)
        arguments.out.write_text("\n\n".join(written) + "\n", encoding="utf-8")
        print(section, end="\n\n", file=sys.stderr)


if __name__ == "__main__":
    main()
