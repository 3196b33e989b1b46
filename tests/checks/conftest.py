"""The acceptance, ready to be run."""

from __future__ import annotations

import pytest
from acceptance_suite import Suite


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return Suite(tmp_path_factory.mktemp("acceptance"))
