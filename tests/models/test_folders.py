"""Ten of the random folders of `golden/fuzz_folders.py`, against what transformers + torch make of them."""

import numpy as np
import pytest
from folders import random_folder
from test_golden_logits import logits

from spexjax.models import load_model


@pytest.mark.parametrize("case", range(10))
def test_random_folders_equal_transformers(case, golden, tmp_path):
    record = golden("folders")
    folder = record["cases"][case]
    changes = random_folder(tmp_path / "model", folder["family"], folder["seed"])
    assert changes == folder["changes"]  # else the folder is another; make the golden file again
    model = load_model(tmp_path / "model")
    ours = logits(model, record["ids"])
    for length, values in folder["logits"].items():
        if int(length) <= model.config.max_length:
            np.testing.assert_allclose(ours[int(length) - 1, : len(values)], values, atol=1e-4, err_msg=str(changes))
