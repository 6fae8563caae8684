"""Bringing an index of an earlier format to the newest one, without an original file and without writing a shard."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from embedkit.indexes.derived import refresh_table, update_spaces
from embedkit.indexes.manifest import FORMAT_VERSION, Space, labels_name
from embedkit.indexes.manifest_files import read_newest_manifest
from embedkit.indexes.overlay import read_overlay
from embedkit.indexes.writer import open_existing
from embedkit.progress import OnProgress, ignore_progress


@dataclass(frozen=True)
class MigrationReport:
    """What became of an index."""

    before: int
    """The format that it had."""
    after: int
    images: int
    unknown: tuple[str, ...] = ()
    """Spaces of which it is not known how their encoders were trained."""


def migrate(index_path: Path | str, *, on_progress: OnProgress = ignore_progress) -> MigrationReport:
    """Bring the index at `index_path` to the newest format; one that has it is left as it is.

    Shards stay: what earlier formats have no column for reads as empty. How a space's encoder was trained is filled in
    where it is a shipped one.

    Raises
    ------
    IndexFolderError
        As `open_existing`; nothing was changed then.
    """
    folder = Path(index_path)
    before = read_newest_manifest(folder)
    with open_existing(folder, upgrade=True) as writer:
        if before.format < FORMAT_VERSION:
            labels = writer.manifest.labels
            overlay = read_overlay(folder / labels_name(labels.number)) if labels else None
            writer.upgrade(overlay, _know_spaces(writer.manifest.spaces))
        table = refresh_table(writer)
        update_spaces(writer, table, on_progress)
        unknown = tuple(name for name, space in writer.manifest.spaces.items() if space.labels_seen is None)
        return MigrationReport(before.format, writer.manifest.format, len(table.images), unknown)


def _know_spaces(spaces: dict[str, Space]) -> dict[str, Space]:
    """Spaces with how their encoders were trained, where they are shipped ones."""
    from embedkit.encoder.weights import labels_seen, read_encoder, shipped_encoders  # noqa: PLC0415 (reads weights)

    shipped = {weights.sha256: weights.config.method for weights in map(read_encoder, shipped_encoders())}
    known = {name: shipped[space.encoder] for name, space in spaces.items() if space.encoder in shipped}
    return spaces | {
        name: replace(spaces[name], method=method, labels_seen=labels_seen(method)) for name, method in known.items()
    }
