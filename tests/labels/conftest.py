"""Files as the tests of `dicom` make them."""

from __future__ import annotations

import pydicom
import pytest

from ..dicom.conftest import tools

__all__ = ["tools"]


@pytest.fixture(autouse=True)
def any_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tests write values that the standard forbids: real files hold them."""
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)
