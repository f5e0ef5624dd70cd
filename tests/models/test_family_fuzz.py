"""Random configs of every family in transformers + torch and here: equal, or refused by one sentence."""

import sys
import warnings

import pytest
from common import GOLDEN
from families import FAMILIES, random_config

pytest.importorskip("torch", reason="torch is what the random configs are compared with: pip install torch")
sys.path.insert(0, str(GOLDEN))
FINE = {"equal", "refused", "both refuse"}


def verdicts(family, seeds, folder):
    from oracle import judge

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in seeds:
            config, changes = random_config(family, seed)
            yield *judge(config, folder / str(seed), seed), changes


@pytest.mark.parametrize("family", ["gemma3_text", "mixtral"])
def test_a_few_random_configs(family, tmp_path):
    found = list(verdicts(family, range(2), tmp_path))
    assert [one for one in found if one[0] not in FINE] == []


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_many_random_configs(family, tmp_path):
    found = list(verdicts(family, range(200), tmp_path))
    assert [one for one in found if one[0] not in FINE] == []
    assert sum(verdict == "equal" for verdict, *_ in found) > 100
