"""Options that every command has, or several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from embedkit.dicom.codecs.choice import Codecs
from embedkit.indexes import paths

ImageQuery = Annotated[str, typer.Argument(help="A file, or the UID of an image in the index.", metavar="FILE|UID")]
IndexPath = Annotated[Path, typer.Option("--index", envvar=paths.INDEX_VARIABLE, help="The index folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes on stderr.")]
SpaceName = Annotated[str | None, typer.Option("--space", help="The vector space; needed where there are several.")]
RankingSpace = Annotated[
    str | None,
    typer.Option("--space", help="Rank by this vector space; without, by all whose encoders saw no labels."),
]
EncoderSource = Annotated[
    str | None,
    typer.Option("--encoder", help="The encoder of the space, where it is not a shipped one: its .safetensors file."),
]
Precision = Annotated[
    Literal["auto", "bf16", "int8", "int8-bf16", "fp32"],
    typer.Option("--precision", help="auto: as the index has it, else the fastest."),
]
Runtime = Annotated[
    Literal["auto", "openvino", "torch-cpu", "torch-cuda"],
    typer.Option("--runtime", help="auto: as the index has it, else the fastest."),
]
Modalities = Annotated[
    list[str] | None, typer.Option("--modality", help="Take this modality too, beside CR, DX and RG. Repeatable.")
]
CodecsName = Annotated[
    Codecs | None,
    typer.Option(
        "--codecs",
        show_default=False,
        help="library reads by imagecodecs, pylibjpeg and GDCM alone, fast by our own codecs too. Default fast, or "
        "EMBEDKIT_CODECS.",
    ),
]
VocabularyFile = Annotated[
    Path | None, typer.Option("--vocabulary", help="A TOML file that maps spellings and codes to regions.")
]
ReplaceLabels = Annotated[
    bool, typer.Option("--replace", help="Put these labels also in the place of those of headers, tables and persons.")
]
PathMap = Annotated[
    list[str] | None,
    typer.Option("--map-path", help="OLD=NEW: how paths begin in the label table, and how here. Repeatable."),
]
ReplaceEarlierLabels = Annotated[
    bool,
    typer.Option("--replace-labels", help="Take away the labels of earlier tables and folders, then add these."),
]
DropLabels = Annotated[
    bool, typer.Option("--drop-labels", help="Take away the labels of earlier tables and folders, and add none.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, max=1_024, help="Worker processes; one a core where not given.")
]
DEFAULT_INDEX = paths.DEFAULT_INDEX
LARGEST_SEED = 2**32 - 1
"""NumPy's and scikit-learn's."""
