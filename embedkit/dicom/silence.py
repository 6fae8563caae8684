"""pydicom's warnings quote values of the header: nobody is to hear them."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pydicom.config


class _Silence:
    """Counts who reads, so that one thread's end of reading does not make another's warnings heard."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = 0
        self._restore = ExitStack()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._readers == 0:
                self._begin()
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1
                if self._readers == 0:
                    self._restore.close()

    def _begin(self) -> None:
        self._restore.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        settings, logger = pydicom.config.settings, logging.getLogger("pydicom")
        self._restore.callback(setattr, settings, "reading_validation_mode", settings.reading_validation_mode)
        self._restore.callback(setattr, logger, "disabled", logger.disabled)
        settings.reading_validation_mode = pydicom.config.IGNORE
        logger.disabled = True


silence = _Silence()
"""``with silence():`` keeps pydicom from warning, logging and validating, and everyone else (Pillow) from warning."""
