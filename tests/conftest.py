"""What tests of several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# An example that takes long on a busy machine is not a failure.
settings.register_profile("apigw", deadline=None)
settings.load_profile("apigw")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or fills the cache of whoever runs it."""
    os.environ["APIGW_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of large public specifications, which lies beside the checkout where there is one."""
    folder = (Path(__file__).parents[1] / ".." / "shared" / "corpus").resolve()
    if not folder.is_dir():
        pytest.skip("the folder of public specifications (../shared/corpus) is not there")
    return folder
