"""`embedkit pretrain`: train an encoder on the index's own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, AsJson, IndexPath, Quiet


def pretrain(
    out: Annotated[Path, typer.Option(help="The encoder file to write; its name is that of the vector space.")],
    index: IndexPath = DEFAULT_INDEX,
    epochs: Annotated[int, typer.Option(min=1, help="The paper's 1000 need a GPU; 100 do well.")] = 100,
    batch_size: Annotated[int, typer.Option(min=2)] = 256,
    view_size: Annotated[int, typer.Option(min=32, help="Side of the views in pixels.")] = 96,
    learning_rate: Annotated[float, typer.Option()] = 3e-4,
    temperature: Annotated[float, typer.Option()] = 0.5,
    any_orientation: Annotated[
        bool, typer.Option("--any-orientation", help="Also mirror views and turn them by quarters.")
    ] = False,
    seed: Annotated[int, typer.Option()] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train a SimCLR encoder on the index's pictures; no labels are used.

    Interrupted, the same command goes on after the last whole epoch.
    """
    import numpy as np

    from embedkit.encoder import (
        Augmentation,
        EncoderConfig,
        PretrainingSettings,
        PretrainingStep,
        pretrain_simclr,
        save_encoder,
    )
    from embedkit.errors import UsageError
    from embedkit.indexes import SPACE_NAME, Index

    console = Console(as_json, quiet)
    if out.suffix != ".safetensors" or not SPACE_NAME.fullmatch(out.stem):
        message = "end the name in .safetensors, and before that use a to z, 0 to 9, - and _: it names the vector space"
        raise UsageError("output-format", f"{out}: {message}")
    opened = Index.open(index)
    settings = PretrainingSettings(
        epochs=epochs,
        batch_size=batch_size,
        view_size=view_size,
        learning_rate=learning_rate,
        temperature=temperature,
        augmentation=Augmentation(any_orientation=any_orientation),
        seed=seed,
    )
    checkpoint = out.with_suffix(".checkpoint")
    steps: list[PretrainingStep] = []
    with console.progress("Pretraining") as advance:

        def show(step: PretrainingStep) -> None:
            steps[:] = [step]
            advance(step.done, step.total, f"epoch {step.epoch + 1}, loss {step.loss:.3f}")

        pictures = opened.pictures(np.arange(len(opened)))
        backbone = pretrain_simclr(pictures, settings, checkpoint, show)
    config = EncoderConfig(out.stem, "simclr", settings.encoder_input_size, settings.mean, settings.std)
    save_encoder(out, backbone, config)
    checkpoint.unlink()
    loss = steps[0].loss if steps else None
    console.document({"encoder": str(out), "pictures": len(pictures), "epochs": epochs, "loss": loss})
    console.line(f"written: {out}")
    console.line(f"next: embedkit embed SOURCE... --encoder {out}")
