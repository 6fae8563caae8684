"""docs/api.md is what the code says."""

import pytest

from .public_api import PAGE, compose_page


@pytest.mark.slow
def test_the_page_of_public_names_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == compose_page(), "write it anew by `python -m tests.public_api`"
