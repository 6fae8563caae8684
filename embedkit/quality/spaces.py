"""Which vector spaces of an index may judge its labels: those of encoders that have not seen them."""

from __future__ import annotations

from collections.abc import Sequence

from embedkit.indexes import Index


def choose_spaces(index: Index, wanted: str | Sequence[str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the spaces to rank by, and notes.

    Those `wanted`; else the only one; else those whose encoders were trained without labels. Raises UsageError as
    `Index.space_name` does.
    """
    if wanted or len(index.spaces) < 2:
        names = [wanted] if isinstance(wanted, str) or wanted is None else wanted
        return tuple(dict.fromkeys(index.space_name(name) for name in names or [None])), ()
    chosen = tuple(name for name, space in index.spaces.items() if space.labels_seen is False)
    left_out = ", ".join(sorted({*index.spaces} - {*chosen}))
    if not chosen:
        return (index.space_name(None),), ()
    note = f"Not used, as their encoders may have seen labels: {left_out}. Name a space to use it."
    return chosen, (note,) if left_out else ()
