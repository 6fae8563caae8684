"""The archive in memory of the tests of `quality`."""

from ..quality.conftest import archive

__all__ = ["archive"]
