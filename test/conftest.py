"""What holds for every test: no time limits, fixed random examples, a compile cache of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# The same examples in every run, so that a failure is about the change at hand; and no deadline,
# because how long an example takes is the machine's business.
settings.register_profile("noema", deadline=None, derandomize=True)
settings.load_profile("noema")


@pytest.fixture(scope="session", autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps tests from reading or filling the user's compile cache."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("NOEMA_")]:
            patch.delenv(name)
        patch.setenv("NOEMA_CACHE_DIR", str(tmp_path_factory.mktemp("noema-cache")))
        yield
