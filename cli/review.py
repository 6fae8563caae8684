"""`embedkit review`: the page on which a person judges the suspects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from embedkit.cli.console import Console
from embedkit.cli.options import DEFAULT_INDEX, AsJson, CodecsName, IndexPath, Quiet, RankingSpace, VocabularyFile


def review(
    index: IndexPath = DEFAULT_INDEX,
    reviewer: Annotated[
        list[str] | None,
        typer.Option(help="Who reads; by default the user of this computer. Repeatable: each gets an own address."),
    ] = None,
    issues: Annotated[
        Path | None,
        typer.Option(help="Suspects as find-label-issues --out wrote them (.csv, .parquet), read in that order."),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="The folder that the original files were moved to, as they lay.")
    ] = None,
    codecs: CodecsName = None,
    vocabulary: VocabularyFile = None,
    space: RankingSpace = None,
    host: Annotated[str, typer.Option(help="Address to listen at; one in the network only with TLS.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for one that is free.")] = 0,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Judge the suspects on a local page, one after another; decisions are saved as they are made."""
    from embedkit.labels import Vocabulary
    from embedkit.review import ReviewSettings, serve_review

    console = Console(as_json, quiet)

    def announce(addresses: dict[str, str]) -> None:
        console.document({"addresses": addresses})
        for name, address in addresses.items():
            console.line(f"{name}: {address}")
        console.flush()
        console.note("Open the address in a browser. It is good until this command ends: Ctrl-C.")

    console.note("ranking the suspects, unless that was done before" if issues is None else f"reading {issues}")
    settings = ReviewSettings(
        index,
        tuple(reviewer or ()),
        issues,
        Vocabulary.load(vocabulary).names,
        space,
        root,
        host,
        port,
        tls_cert,
        tls_key,
        codecs,
    )
    try:
        serve_review(settings, announce, console.note)
    except KeyboardInterrupt:  # the usual end
        console.note("ended; every decision that the page called saved is kept")
