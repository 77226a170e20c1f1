"""The ablation's formulas against slow ones, the poles against a count, the program in small."""

import numpy as np
import positive_gradients
import pytest
import torch
from positive_gradients import held_alpha_all, paper_alpha_all

from helpers.data import shared
from sightline.methods import grad_cam_pp


@pytest.fixture
def layer() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    activations = torch.rand(2, 3, 2, 3, generator=generator, dtype=torch.float64)
    return activations, torch.randn(2, 3, 2, 3, generator=generator, dtype=torch.float64)


def slowly(activations, gradients, hold: bool):
    """Equation 19 letter by letter, g^2 / (2 g^2 + g^3 SA), summed times g with its sign (equations
    29 and 30).
    """
    weights, poles, large = torch.zeros(2, 3, 1, 1, dtype=torch.float64), [0, 0], [0, 0]
    for b in range(2):
        for k in range(3):
            total = sum(activations[b, k, i, j].item() for i in range(2) for j in range(3))
            for i in range(2):
                for j in range(3):
                    g = gradients[b, k, i, j].item()
                    alpha = g**2 / (2 * g**2 + g**3 * total)
                    poles[b] += 2 + g * total <= 0
                    large[b] += abs(alpha) > 1
                    if hold and not 0 < alpha <= 1:
                        alpha = 1.0
                    weights[b, k] += alpha * g
    return weights, poles, large


def test_the_papers_ablation_against_a_slow_twin(layer):
    counts = {}
    weights = paper_alpha_all(
        *layer, tally=lambda word, places: counts.update({word: places.flatten(1).sum(1)})
    )
    expected, poles, large = slowly(*layer, hold=False)
    torch.testing.assert_close(weights, expected, rtol=1e-12, atol=1e-12)
    assert (counts["pole"].tolist(), counts["large alpha"].tolist()) == (poles, large)
    assert counts["places"].tolist() == [18, 18]
    assert sum(poles) > 0, "there is something to count"


def test_held_alphas_against_a_slow_twin(layer):
    torch.testing.assert_close(
        held_alpha_all(*layer), slowly(*layer, hold=True)[0], rtol=1e-12, atol=1e-12
    )


def test_with_positive_gradients_the_ablation_is_the_method(layer):
    activations, gradients = layer[0], layer[1].abs()
    usual = grad_cam_pp(activations, gradients)
    torch.testing.assert_close(
        paper_alpha_all(activations, gradients), usual, rtol=1e-12, atol=1e-12
    )
    torch.testing.assert_close(
        held_alpha_all(activations, gradients), usual, rtol=1e-12, atol=1e-12
    )


def test_the_page_says_what_the_rows_hold(tmp_path):
    found = positive_gradients.run(shared("cifar10").parent, tmp_path, 4, ("ResNet-20",))
    lines = positive_gradients.page(found, whole=False)
    assert list(found) == ["ResNet-20 last", "ResNet-20 layer2"]
    drops = [
        line.split(" | ")[1] for line in lines if line.startswith("| Grad-CAM++ without relu |")
    ]
    for rows, cell in zip(found.values(), drops, strict=False):
        assert float(cell.split(" ")[0]) == round(
            100 * np.mean(rows.column("average_drop", "paper_alpha_all")), 1
        )
    shares = positive_gradients.poles(found["ResNet-20 layer2"])
    assert 0 < shares["pole"][1] <= shares["pole"][0] <= shares["pole"][2] < 100
