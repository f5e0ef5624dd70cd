"""Every picture, by name, as a function of the number of features."""

from drawable import explained, head_explanation, mosaic, text_explanation

from spexjax import plots


def grid(n):
    """Layers and heads that make about n components."""
    return (1, n, False) if n < 4 else (n // 10, 9)


def side(n):
    """How many squares in a row make about n regions."""
    return max(1, int(n**0.5))


def swarm(n):
    """Explanations of the same n words."""
    return [text_explanation(n, seed=seed) for seed in range(6)]


PICTURES = {
    "bars": lambda n: plots.bars(text_explanation(n)),
    "beeswarm": lambda n: plots.beeswarm(swarm(n)),
    "budget": lambda n: plots.budget([(10 * 2**k, 1 - 0.8**k, 0.02) for k in range(min(n, 9))]),
    "force": lambda n: plots.force(text_explanation(n)),
    "heads": lambda n: plots.heads(head_explanation(*grid(n))),
    "heatmap": lambda n: plots.heatmap(text_explanation(n)),
    "image": lambda n: plots.image(explained(side(n) ** 2), *mosaic(48, side(n))),
    "network": lambda n: plots.network(text_explanation(n)),
    "network_force": lambda n: plots.network(text_explanation(n), layout="force"),
    "orders": lambda n: plots.orders(text_explanation(n)),
    "text": lambda n: plots.text(text_explanation(n)),
    "upset": lambda n: plots.upset(text_explanation(n)),
    "waterfall": lambda n: plots.waterfall(text_explanation(n)),
}
