"""A sweep as a pandas frame."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from spexjax.sweep._folder import COLUMNS, Folder

if TYPE_CHECKING:
    from pandas import DataFrame
else:
    DataFrame = Any  # annotations are checked at run time, where pandas may not be installed


def load(folder: str | Path) -> DataFrame:
    """The table of a sweep, finished or not: a row for each explanation, in the order of the sweep.

    `id` names the folder explanations/`id`, from which `sx.load` reads the explanation. Where `error` is not empty, the
    explanation failed, and its numbers are NaN or 0. `digest` hashes masks, values, spectrum and R2 bit for bit.

    Args:
      folder: of the sweep.

    Raises:
      ValueError: if there is no sweep.
      ImportError: if pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("A frame needs pandas: pip install 'spexjax[sweep]'.") from error
    rows = Folder(folder).rows()
    return pd.DataFrame({name: [row[name] for row in rows] for name in COLUMNS})
