"""Files as the tests of `dicom` make them."""

from ..dicom.conftest import tools

__all__ = ["tools"]
