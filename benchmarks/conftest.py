"""What every benchmark starts from: the workload of `--workload`; by default the model trained on the data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pricebench.artifacts import MODEL_FILE, Artifacts, save_metrics
from pricebench.data import Dataset, load_dataset, make_houses, train_test_split
from pricebench.errors import PricebenchError
from pricebench.pytest_plugin import keep_history, note
from pricebench.suite import asked_workload, device, mode
from pricebench.training import TrainingConfig, rows_to_calibrate_on, train
from pricebench.workload import FULL_ROWS, HOUSE_PRICES, Workload, house_prices

__all__ = ["device", "mode"]

# Cases that are about house prices: with another workload they are left out.
HOUSE_ONLY = (
    "test_epoch.py",
    "test_data.py",
    "test_profiling.py",
    "test_rivals.py",
    "test_predict",
    "test_training_rows",
)
ON_DEMAND = {"test_cliff.py": "cliff", "test_profiling.py": "trace", "test_rivals.py": "rival"}


def pytest_configure(config: pytest.Config) -> None:
    """Store what is measured here."""
    keep_history(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what takes minutes to those who name it, by `-k cliff` or by its file; leave houses to their workload.

    Whoever asks for all modes wants to see them beside their rivals.
    """
    is_house = config.option.workload == HOUSE_PRICES
    asked = f"{config.option.keyword} {'rival' if config.option.modes == 'all' else ''}"
    unasked = [
        item
        for item in items
        if (not is_house and (item.path.name in HOUSE_ONLY or item.name.partition("[")[0] in HOUSE_ONLY))
        or (
            (word := ON_DEMAND.get(item.path.name))
            and word not in asked
            and not any(item.path.name in argument for argument in config.args)
        )
    ]
    config.hook.pytest_deselected(items=unasked)
    items[:] = [item for item in items if item not in unasked]


@pytest.fixture(scope="session")
def dataset(pytestconfig: pytest.Config) -> Dataset:
    """The file of `--data`, or the embedded default."""
    path: Path | None = pytestconfig.option.data
    try:
        houses = load_dataset(path) if path else make_houses()
    except PricebenchError as error:
        pytest.exit(str(error), returncode=int(error.exit_code))
    note(pytestconfig, data=houses.name, data_digest=houses.digest(), num_rows=houses.num_rows)
    return houses


@pytest.fixture(scope="session")
def artifacts(pytestconfig: pytest.Config, dataset: Dataset, training_rows: Dataset) -> Artifacts:
    """The model trained on this data set; trained now where there is none yet."""
    root: Path = pytestconfig.rootpath / pytestconfig.option.artifacts
    try:
        if (root / MODEL_FILE).is_file() and Artifacts.load(root).stats.data_digest != dataset.digest():
            # Somebody's model of other data stays where it is.
            root /= dataset.digest()[:10]
        if (root / MODEL_FILE).is_file():
            found = Artifacts.load(root)
            # Folders of before there were rows to calibrate on.
            if found.calibration is None:
                found = replace(found, calibration=rows_to_calibrate_on(training_rows))
            return found
        reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            reporter.write_line(f"\nno model of {dataset.name} yet: training one (up to half a minute)")
        trained = train(dataset, TrainingConfig())
    except PricebenchError as error:
        pytest.exit(str(error), returncode=int(error.exit_code))
    trained.artifacts.save(root)
    save_metrics(root, trained.metrics)
    return trained.artifacts


@pytest.fixture(scope="session")
def training_rows(dataset: Dataset) -> Dataset:
    """The rows that training sees, as `pricebench train` splits them."""
    config = TrainingConfig()
    kept, _ = train_test_split(dataset, test_size=config.test_size, seed=config.split_seed)
    rows, _ = train_test_split(kept, test_size=config.validation_size, seed=config.seed)
    return rows


@pytest.fixture(scope="session")
def house(artifacts: Artifacts, training_rows: Dataset, device: torch.device) -> Workload:
    """The trained model with batches of real training rows."""
    stats = artifacts.stats
    return house_prices(
        artifacts.model.to(device),
        x_NF=stats.features.normalize(torch.from_numpy(training_rows.features_NF)).to(device),
        z_N1=stats.price.normalize(torch.from_numpy(training_rows.price_N[:, None])).to(device),
        residual_rows=training_rows.num_rows % FULL_ROWS or FULL_ROWS,
    )


@pytest.fixture(scope="session")
def workload(request: pytest.FixtureRequest, device: torch.device) -> Workload:
    """The one that is asked for; house prices with what was trained on the data set."""
    if request.config.option.workload != HOUSE_PRICES:
        return asked_workload(request.config, device)
    found: Workload = request.getfixturevalue("house")
    return found
