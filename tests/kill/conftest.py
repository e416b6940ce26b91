"""Registers the table for runs of this directory alone; tests/conftest.py does for all."""

import pytest

from tests.kill import matrix


def pytest_configure(config: pytest.Config) -> None:
    """Once is enough."""
    if not config.pluginmanager.is_registered(matrix):
        config.pluginmanager.register(matrix)
