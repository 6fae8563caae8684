"""`embedkit pretrain`: train an encoder on the index's own pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, LARGEST_SEED, AsJson, IndexPath, Quiet
from embedkit.cli.outputs import prepare_outputs

if TYPE_CHECKING:
    from embedkit.pretraining import (
        Augmentation,
        Pretrained,
        PretrainingSettings,
        PretrainingStep,
        Processes,
        TrainingSet,
    )

Strength = Literal["pretraining", "head-training"]


def pretrain(
    out: Annotated[Path, typer.Option(help="The encoder file to write; its name is that of the vector space.")],
    index: IndexPath = DEFAULT_INDEX,
    method: Annotated[
        Literal["simclr", "byol", "supcon", "supervised"],
        typer.Option(help="simclr and byol use no labels, supcon and supervised do."),
    ] = "simclr",
    start: Annotated[
        str | None,
        typer.Option("--from", help="The encoder to start from: starter, another shipped one, or a file."),
    ] = None,
    without: Annotated[
        Path | None, typer.Option(help="Leave out the images that this table names: an issues.csv, say.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="The paper's 1000 on a GPU, else 100.")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=1_000_000,
            help="Pictures a step: the paper's 1024 (byol 896) on a GPU, else 256, or all there are.",
        ),
    ] = None,
    chunk: Annotated[
        int | None,
        typer.Option(min=2, max=1_000_000, help="Pictures in memory at a time; the whole batch where not given."),
    ] = None,
    view_size: Annotated[int, typer.Option(min=32, max=1_024, help="Side of the views in pixels.")] = 96,
    learning_rate: Annotated[
        float, typer.Option(min=1e-12, max=10, help="Of Adam, at the start; it falls along a cosine.")
    ] = 3e-4,
    weight_decay: Annotated[float, typer.Option(min=0, max=10, help="Of Adam.")] = 1e-4,
    temperature: Annotated[float, typer.Option(min=0.001, max=100, help="Of the softmax of simclr and supcon.")] = 0.5,
    ema_decay: Annotated[float, typer.Option(min=0, max=1, help="Of byol's moving average, at the start.")] = 0.9995,
    augmentation: Annotated[
        Strength, typer.Option(help="The strength of the random views; head-training is the milder one.")
    ] = "pretraining",
    gauges: Annotated[
        Path | None, typer.Option(help="A folder of gauges from `embedkit gauges`; drawn ones where not given.")
    ] = None,
    no_gauges: Annotated[bool, typer.Option("--no-gauges", help="Lay no gauges into the views.")] = False,
    any_orientation: Annotated[
        bool, typer.Option("--any-orientation", help="Also mirror views and turn them by quarters.")
    ] = False,
    precision: Annotated[
        Literal["auto", "bf16", "fp32"], typer.Option(help="auto: the one that is faster on this machine.")
    ] = "auto",
    log_dir: Annotated[Path | None, typer.Option(help="Write TensorBoard logs to this folder.")] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, help="Of the weights at the start, the order and the views.")
    ] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train an encoder on the index's pictures, with or without labels.

    Interrupted, the same command goes on from its last checkpoint. Under torchrun, all processes train together.
    """
    from embedkit.encoder import STARTER
    from embedkit.pretraining import PretrainingSettings, join_processes, own_rank

    _check_name(out)
    console = Console(as_json and own_rank() == 0, quiet or own_rank() > 0)
    settings = PretrainingSettings(
        method=method,
        chunk=chunk,
        view_size=view_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        temperature=temperature,
        decay=ema_decay,
        augmentation=_augmentation(augmentation, any_orientation, no_gauges),
        precision=precision,
        start=STARTER if start == "starter" else start,
        seed=seed,
    )
    with join_processes() as processes:
        data = _read_pictures(console, index, out.parent, settings, without)
        settings = _by_machine(settings, epochs, batch_size, len(data))
        trained, last = _train(console, data, settings, out.with_suffix(".checkpoint"), gauges, log_dir, processes)
        if processes.rank == 0:
            _write(console, out, trained, data, settings, last)


def _check_name(out: Path) -> None:
    from embedkit.errors import UsageError
    from embedkit.indexes import SPACE_NAME

    if out.suffix != ".safetensors" or not SPACE_NAME.fullmatch(out.stem):
        message = "end the name in .safetensors, and before that use a to z, 0 to 9, - and _: it names the vector space"
        raise UsageError("output-format", f"{out}: {message}")
    prepare_outputs([out], ".safetensors")


def _augmentation(strength: Strength, any_orientation: bool, no_gauges: bool) -> Augmentation:
    from embedkit.pretraining import HEAD_TRAINING, PRETRAINING

    ranges = PRETRAINING if strength == "pretraining" else HEAD_TRAINING
    ranges = replace(ranges, any_orientation=any_orientation)
    return replace(ranges, gauges=(0, 0)) if no_gauges else ranges


def _read_pictures(
    console: Console, index: Path, scratch: Path, settings: PretrainingSettings, without: Path | None
) -> TrainingSet:
    from embedkit.indexes import read_image_ids, training_set

    labelled = settings.method == "supervised"
    left_out = read_image_ids(without) if without else set()
    with console.progress("Reading") as advance:
        return training_set(
            console.open_index(index), scratch, labelled=labelled, without=left_out, on_progress=advance
        )


def _by_machine(
    settings: PretrainingSettings, epochs: int | None, batch_size: int | None, pictures: int
) -> PretrainingSettings:
    """The paper's epochs and batch size on a GPU, what is bearable on a CPU, unless they are given."""
    import torch

    gpu = torch.cuda.is_available()
    paper = 896 if settings.method == "byol" else 1024
    return replace(
        settings,
        epochs=epochs or (1000 if gpu else 100),
        batch_size=batch_size or max(2, min(paper if gpu else 256, pictures)),
    )


def _train(
    console: Console,
    data: TrainingSet,
    settings: PretrainingSettings,
    checkpoint: Path,
    gauges: Path | None,
    log_dir: Path | None,
    processes: Processes,
) -> tuple[Pretrained, PretrainingStep | None]:
    from embedkit.pretraining import TensorBoardLog, pretrain, read_gauges

    log = TensorBoardLog(log_dir) if log_dir and processes.rank == 0 else None
    seen: list[PretrainingStep] = []
    with console.progress("Pretraining") as advance:

        def show(step: PretrainingStep) -> None:
            seen[:] = [step if step.accuracy is not None or not seen else replace(step, accuracy=seen[0].accuracy)]
            known = "" if seen[0].accuracy is None else f", neighbours {seen[0].accuracy:.1%} right"
            advance(step.done, step.total, f"epoch {step.epoch + 1}, loss {step.loss:.3f}{known}")
            if log:
                log(step)

        templates = read_gauges(gauges) if gauges else None
        trained = pretrain(data, settings, checkpoint, gauges=templates, on_step=show, processes=processes)
    return trained, seen[0] if seen else None


def _write(
    console: Console,
    out: Path,
    trained: Pretrained,
    data: TrainingSet,
    settings: PretrainingSettings,
    last: PretrainingStep | None,
) -> None:
    from embedkit.encoder import save_encoder

    save_encoder(out, trained.method.backbone, replace(trained.config, name=out.stem))
    out.with_suffix(".checkpoint").unlink()
    console.document(
        {
            "encoder": str(out),
            "method": settings.method,
            "pictures": len(data),
            "epochs": settings.epochs,
            "batch_size": settings.batch_size,
            "loss": last and last.loss,
            "knn_accuracy": last and last.accuracy,
        }
    )
    console.line(f"written: {out}")
    console.line(f"next: embedkit embed SOURCE... --encoder {out}")
