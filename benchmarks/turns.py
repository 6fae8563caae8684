"""Jobs on the same files in turns, each run a process of its own, and their medians as Markdown.

A script that takes turns hands its runs to `run_command`, and is called again with `--run NAME` for each. "Job" is the
time that the run itself says, "cold" that of the whole process; core-seconds count the process and all it waited for.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

Run = Callable[[Path], tuple[object, int]]
"""From a folder to the seconds of the job (or those of its stages) and the number of images."""

Rates = dict[str, float]
"""Images, images a second of job and of the whole process, and core-milliseconds an image."""


def measure(script: str, name: str, folder: Path) -> Rates:
    """Time one run of a script in a process of its own."""
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, script, str(folder), "--run", name], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        cold, cores = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
        process.stdout.read()  # ends when the services that it left, such as a database, have ended too
    if process.returncode:
        raise SystemExit(f"the run of {name} failed")
    job, images = json.loads(line)
    print(f"{name:9} {images:6,} images  job {job:6.1f} s  cold {cold:6.1f} s  {cores:6.1f} core-s", file=sys.stderr)
    return {"images": images, "job": images / job, "cold": images / cold, "core-ms": 1000 * cores / images}


def take_turns(script: str, names: Iterable[str], folder: Path, repeat: int) -> dict[str, Rates]:
    """Run each in turns, so many times; the medians of each."""
    measured: dict[str, list[Rates]] = {name: [] for name in names}
    for _ in range(repeat):
        for name, runs in measured.items():
            runs.append(measure(script, name, folder))
    return {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in measured.items()
    }


@contextmanager
def multiplied(dump: Path, copies: int) -> Iterator[Path]:
    """A dump so many times over, as hard links beside it: each is read and decoded like any other file."""
    dump = dump.resolve()
    if copies <= 1:
        yield dump
        return
    with tempfile.TemporaryDirectory(dir=dump.parent) as place:
        for copy in range(copies):
            for file in dump.rglob("*"):
                if file.is_file():
                    link = Path(place, str(copy), file.relative_to(dump))
                    link.parent.mkdir(parents=True, exist_ok=True)
                    os.link(file, link)
        yield Path(place)


def draw_rates(medians: Mapping[str, Rates]) -> str:
    """A row each, ours the last, and a row for how many times faster ours is than each of the others."""
    lines = ["| | images/s, job | images/s, cold | core-ms an image |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {row['job']:.1f} | {row['cold']:.1f} | {row['core-ms']:.1f} |" for name, row in medians.items()
    ]
    *others, ours = medians
    for name in others:
        peer, own = medians[name], medians[ours]
        ratios = (own["job"] / peer["job"], own["cold"] / peer["cold"], peer["core-ms"] / own["core-ms"])
        lines.append(f"| {ours} over {name} |" + "|".join(f" {ratio:.2f} " for ratio in ratios) + "|")
    return "\n".join(lines)


def run_command(description: str | None, runs: Mapping[str, Run], compare: Callable[[Path, int, int], str]) -> None:
    """Print a comparison; with `--run`, one run in this process as a line of JSON, and what it prints on stderr."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--copies", type=int, default=1, help="embed the dump so many times over")
    parser.add_argument("--run", choices=runs, help="one run in this process; prints JSON")
    arguments = parser.parse_args()
    if arguments.run:
        with redirect_stdout(sys.stderr):
            given = runs[arguments.run](arguments.dump)
        print(json.dumps(given), flush=True)
    else:
        print(compare(arguments.dump, arguments.repeat, arguments.copies))
