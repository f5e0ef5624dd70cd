"""Draws the pictures of `baseline` anew: python tests/plots/make_baselines.py. Look at them before you commit them."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

BASELINE = Path(__file__).with_name("baseline")
DPI, SIZE, COLOURS = 36, 24, 32  # dots per inch, features, and colours that keep a file small


def pixels(ax):
    """A picture as red, green and blue between 0 and 1."""
    figure = ax.get_figure()
    figure.set_dpi(DPI)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3] / 255.0


if __name__ == "__main__":
    from pictures import PICTURES
    from PIL import Image

    BASELINE.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        picture = Image.fromarray((255 * pixels(draw(SIZE))).round().astype(np.uint8))
        picture.quantize(COLOURS, dither=Image.Dither.NONE).save(BASELINE / f"{name}.png", optimize=True)
        plt.close("all")
