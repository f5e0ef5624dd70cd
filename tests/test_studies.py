"""The study without a language model: its picture is drawn."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np

STUDIES = Path(__file__).parents[1] / "experiments"


def test_the_bins_of_the_peaks_are_drawn(tmp_path, monkeypatch, capsys):
    spec = spec_from_file_location("spex_study", STUDIES / "spex" / "run.py")
    study = module_from_spec(spec)
    spec.loader.exec_module(study)
    monkeypatch.setattr(study, "HERE", tmp_path)
    rng = np.random.default_rng(0)
    study.draw(study.peaks(rng), rng)
    assert (tmp_path / "bins.png").stat().st_size > 10_000
    assert "40 coefficients in 3 groups of 32 bins: CONVERGED" in capsys.readouterr().out
