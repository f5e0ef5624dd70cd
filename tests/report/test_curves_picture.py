"""Pictures of curves are written, whatever the number of panels."""

import pytest

from spexjax.report import draw_curves


@pytest.mark.parametrize("count", [1, 4])
def test_a_picture_is_written(tmp_path, count):
    panels = {f"text {i}": {"all": ([1, 2, 4], [0.1, 0.5, 0.2]), "first": ([1, 4], [0, 1])} for i in range(count)}
    path = draw_curves(
        panels, tmp_path / "a.png", x_label="removed", y_label="log-odds", log_x=True, y_range=(-1.0, 2.0), zero=True
    )
    assert path.read_bytes()[:4] == b"\x89PNG"
    width, height = (int.from_bytes(path.read_bytes()[a : a + 4]) for a in (16, 20))
    assert width > height > 300
