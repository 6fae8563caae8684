"""`embedkit label-clusters`: names of clusters, spread over their images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, AsJson, IndexPath, Quiet, ReplaceLabels, VocabularyFile


def label_clusters(
    names: Annotated[
        Path,
        typer.Argument(
            metavar="NAMES", help="The names.csv of `cluster`, its column region filled in; members.csv beside it."
        ),
    ],
    vocabulary: VocabularyFile = None,
    replace: ReplaceLabels = False,
    index: IndexPath = DEFAULT_INDEX,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Spread the names of clusters over their images, as labels that find-label-issues then checks.

    Labels of headers, tables and persons stay, and so does what reviewers decided on.
    """
    from embedkit.cli.label import show_added
    from embedkit.cli.loading import read_decisions, read_names
    from embedkit.export import MEMBERS, spread_names
    from embedkit.indexes import CLUSTER, add_labels
    from embedkit.review import find_consensus

    labels = spread_names(read_names(names, "cluster", CLUSTER, index, vocabulary), names.with_name(MEMBERS))
    decided = frozenset() if replace else find_consensus(read_decisions(index)).keys()
    show_added(Console(as_json, quiet), add_labels(index, labels, replace_labels=replace, keep=decided))
