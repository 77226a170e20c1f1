"""Numbers that others published, or that their code gives: worked examples, identities of tables,
expressions.

Where a number comes from is said beside it. No table of a paper can be met without its network and
images: these are the numbers that need neither.
"""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from sightline.evaluation.controls import fake_cam
from sightline.maps import blur, quantile_mask
from sightline.metrics import METRICS, about, win, win_share
from sightline.metrics.adcc import of_means
from sightline.metrics.roc_area import roc_area

average_drop, increase = METRICS["average_drop"], METRICS["increase_in_confidence"]


def summarised(name, values):
    said = about(METRICS[name])
    (figure,) = said.figures.values()
    return said.scale * figure(values.numpy())


def test_grad_cam_pp_v1_its_own_example_of_a_drop():
    """Chattopadhay et al., arXiv 1710.11063 v1: a confidence that goes from 0.8 to 0.4 dropped by
    50 %.
    """
    drop = average_drop(torch.tensor([0.8]), torch.tensor([0.4]))
    assert summarised("average_drop", drop) == pytest.approx(50, abs=1e-5)


def test_grad_cam_pp_v3_the_formulas_over_a_set():
    """Same, v3: (100 / N) sum max(0, Y - O) / Y and (100 / N) sum 1[Y < O], with the 1 / N its text
    asks for.
    """
    torch.manual_seed(0)
    full, kept = torch.rand(2, 40, dtype=torch.float64)
    drop = (
        100
        / 40
        * sum(max(0.0, y - o) / y for y, o in zip(full.tolist(), kept.tolist(), strict=True))
    )
    more = 100 / 40 * sum(y < o for y, o in zip(full.tolist(), kept.tolist(), strict=True))
    assert summarised("average_drop", average_drop(full, kept)) == pytest.approx(drop, rel=1e-12)
    assert summarised("increase_in_confidence", increase(full, kept)) == pytest.approx(
        more, rel=1e-12
    )


@pytest.mark.parametrize(("images", "won", "printed"), [(34, 24, 70.59), (34, 10, 29.41)])
def test_grad_cam_pp_v1_win_on_the_multi_instance_subset(images, won, printed):
    """Same, v1, 35 images with several objects of a class.

    That 34 of them count is inferred from the numbers.
    """
    drop, other = torch.full((images,), 0.5), torch.full((images,), 0.4)
    drop[:won] = 0.3
    assert 100 * win_share(win(drop, other).numpy())[0] == pytest.approx(printed, abs=0.005)


@pytest.mark.parametrize(("risen", "printed"), [(6, 17.65), (1, 2.94)])
def test_grad_cam_pp_v1_increase_on_the_multi_instance_subset(risen, printed):
    full = torch.full((34,), 0.5)
    kept = torch.where(torch.arange(34) < risen, 0.6, 0.5)
    assert summarised("increase_in_confidence", increase(full, kept)) == pytest.approx(
        printed, abs=0.005
    )


ADCC = {
    "VGG-16, Grad-CAM": (66.42, 69.20, 15.65, 53.52),
    "VGG-16, Grad-CAM++": (32.88, 89.34, 26.33, 75.65),
    "VGG-16, Smooth Grad-CAM++": (36.72, 82.68, 28.09, 71.72),
    "VGG-16, Score-CAM": (26.13, 93.83, 20.27, 81.66),
    "ResNet-18, Grad-CAM": (42.90, 81.03, 23.04, 69.98),
    "ResNet-50, Grad-CAM": (32.99, 82.80, 22.24, 75.27),
    "ResNet-50, Score-CAM": (8.61, 98.12, 42.05, 78.14),
}
"""Drop, coherency, complexity and ADCC in per cent (Poppi et al. 2021). Recalled, not read: only
that the four of a row belong together is tested here, and no other use of them is sound."""


@pytest.mark.parametrize("row", ADCC)
def test_adcc_is_the_harmonic_mean_that_its_table_shows(row):
    *terms, printed = ADCC[row]
    assert 100 * of_means(np.array([terms]) / 100) == pytest.approx(printed, abs=0.05)


def test_fake_cam_has_what_poppi_et_al_built_it_for():
    """Poppi et al., arXiv 2104.10252: 1 but for one pixel; next to no drop, coherent, and as
    complex as can be.
    """
    images = torch.rand(1, 3, 100, 100)
    fake = fake_cam(images, [])
    assert (fake == 1).sum() == fake.numel() - 1
    full = images.sum((1, 2, 3))  # a model whose confidence every pixel shares in
    kept = (images * fake).sum((1, 2, 3))
    assert 0 < summarised("average_drop", average_drop(full, kept)) < 0.1
    assert METRICS["coherency"](fake, fake).item() == pytest.approx(1)
    complexity = METRICS["complexity"](fake).item()
    assert complexity == pytest.approx(1 - 1e-4)
    assert of_means(METRICS["adcc"](full, kept, fake, fake).numpy()) < 3 * (1 - complexity) + 1e-9


def test_adcc_s_own_code_says_zero_where_no_correlation_exists():
    """aimagelab/ADCC: nan becomes 0."""
    assert METRICS["coherency"](torch.ones(1, 4, 4), torch.rand(1, 4, 4)).item() == 0


@pytest.mark.parametrize("name", ["deletion", "insertion"])
@pytest.mark.parametrize("steps", [28, 224])
def test_rise_s_area(name, steps):
    """eclique/RISE, evaluation.py: all heights, less half of the first and of the last, over the
    number of steps.
    """
    curve = np.exp(-np.linspace(0, 6, steps + 1)) * 0.9
    rise = (curve.sum() - curve[0] / 2 - curve[-1] / 2) / steps
    assert METRICS[name](torch.from_numpy(curve)[None]).item() == pytest.approx(rise, rel=1e-12)


def test_rise_s_area_of_a_straight_line():
    assert METRICS["deletion"](torch.linspace(1, 0, 29)[None]).item() == pytest.approx(0.5)


def test_rise_s_blur_is_a_window_of_eleven_that_sums_to_one():
    """The same file: a Gaussian of sigma 5 in a window of 11, made by scipy, which folds its tails
    back.
    """
    spot = np.zeros((11, 11))
    spot[5, 5] = 1
    kernel = ndimage.gaussian_filter(spot, 5)
    image = torch.zeros(1, 1, 31, 31, dtype=torch.float64)
    image[..., 15, 15] = 1
    found = blur(image, 11, 5.0)[0, 0, 10:21, 10:21]
    np.testing.assert_allclose(found.numpy(), kernel, rtol=0, atol=1e-7)


def test_average_gain_mirrors_average_drop():
    """Zhang et al., Opti-CAM, arXiv 2301.07002: max(0, O - Y) / (1 - Y), the drop of what is
    missing.
    """
    torch.manual_seed(0)
    full, kept = torch.rand(2, 20, dtype=torch.float64)
    torch.testing.assert_close(
        METRICS["average_gain"](full, kept), average_drop(1 - full, 1 - kept)
    )


def test_grad_cam_pp_s_curve_hides_as_much_for_a_small_map_as_for_a_large_one():
    """v3, section 7.2: gamma is a quantile of the map's own pixels: size is no advantage."""
    torch.manual_seed(0)
    small = torch.rand(1, 30, 30) ** 8
    large = small.sqrt().sqrt()
    thetas = [k / 20 for k in range(21)]
    hidden = [
        [1 - quantile_mask(one, theta).float().mean().item() for theta in thetas]
        for one in (small, large)
    ]
    assert hidden[0] == hidden[1]
    curve = torch.linspace(1, 0, 21)[None]
    areas = [roc_area(torch.ones(1), curve, torch.tensor([one])).item() for one in hidden]
    assert areas[0] == areas[1]


def test_road_is_what_pytorch_grad_cam_combines():
    """Its ROADCombined: (LeRF - MoRF) / 2, each the mean over the percentiles."""
    torch.manual_seed(0)
    morf, lerf = torch.rand(2, 3, 9, dtype=torch.float64)
    want = (np.mean(lerf.numpy(), axis=1) - np.mean(morf.numpy(), axis=1)) / 2
    np.testing.assert_allclose(METRICS["road"](morf, lerf).numpy(), want, rtol=1e-12)


def test_grad_cam_s_dense_captions_a_uniform_map_has_a_ratio_of_one():
    """Selvaraju et al., arXiv 1610.02391, dense captions: uniform 1.0, Grad-CAM 3.27."""
    boxes = [torch.tensor([[2.0, 3.0, 7.0, 9.0]])]
    assert METRICS["inside_outside_ratio"](torch.ones(1, 12, 12), boxes).item() == pytest.approx(1)


def test_loc_is_the_intersection_over_union():
    """Grad-CAM++ v3, eq.

    26: internal / (boxes + external), of a map that is 1 on 30 of 50 places and on 10 others.
    """
    image_map = torch.zeros(1, 10, 10)
    image_map[0, :3] = 1  # 30 places inside
    image_map[0, 9] = 1  # 10 outside
    got = METRICS["loc"](image_map, [torch.tensor([[0.0, 0.0, 10.0, 5.0]])], deltas=(0.5,)).item()
    assert got == pytest.approx(30 / (50 + 10))
    assert math.isclose(got, 30 / len({*range(50), *range(90, 100)}))
