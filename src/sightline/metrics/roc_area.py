"""The area under the paper's occlusion (ROC) curve: confidence while the map's weak pixels go."""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.metrics.metric import metric
from sightline.types import Scores

Curve = Float[Tensor, "b t"]
"""One number an image at each quantile of its map."""


@metric(
    title="ROC area",
    group="faithfulness",
    higher_is_better=True,
    paper="Chattopadhay et al., Grad-CAM++ v3, arXiv:1710.11063, section 7.2",
)
def roc_area(
    full_score: Scores,
    occluded_curve: Curve,
    occluded_fraction: Curve,
    *,
    thetas: int = 21,
    jumps: str = "late",
) -> Scores:
    r"""Area under relative confidence O/Y against the share f of pixels occluded, the weakest
    first.

    $$\sum_i (f_i - f_{i-1}) \frac{O_i + O_{i-1}}{2 Y}$$
    `occluded_curve` is the confidence O on I o Delta at each quantile theta, `occluded_fraction`
    the share of pixels really occluded there, never falling; both `[b, t]`, each image with its
    own. It equalises the area two methods may show, so a larger map is no advantage.

    *Ties.* Equal pixels go together, so fractions repeat (width 0, no area) and then jump, and in a
    jump nothing was measured. A straight line through it flatters exactly the maps that order
    little: FakeCAM, 1 everywhere but at one pixel, would get about 1/2, where the paper's methods
    have 0.1. So the curve falls from the earlier point to the later one within one step of theta, 1
    / (thetas - 1), and lies at the *later* point's height for the rest of a wider jump. Without
    jumps this is the trapezoid rule to 1/n; `jumps="line"` is that rule throughout.

    *Ends.* theta = 0 occludes nothing: f = 0, O = Y. theta = 1 leaves the maximum, f = 1 - 1/n
    without ties. Beyond the last point nothing is counted; add one at f = 1, where all is occluded,
    and its jump is counted as any other. With it a constant map has about the area of the empty
    image's confidence. A curve without any width (a constant map without that point) has nothing to
    say, nor has an image without confidence (Y = 0): nan, counted apart. O > Y counts in full, so
    the area may exceed 1.

    >>> full, curve = torch.tensor([0.5]), torch.tensor([[0.5, 0.25, 0.0]])
    >>> roc_area(full, curve, torch.tensor([[0.0, 0.5, 1.0]]), thetas=3)
    tensor([0.5000], dtype=torch.float64)
    >>> fake = torch.tensor([[0.0, 0.0, 1.0]])
    >>> roc_area(full, torch.tensor([[0.5, 0.5, 0.0]]), fake, thetas=3)
    tensor([0.2500], dtype=torch.float64)
    >>> roc_area(full, torch.tensor([[0.5, 0.5, 0.0]]), fake, thetas=3, jumps="line")
    tensor([0.5000], dtype=torch.float64)
    """
    relative = occluded_curve.double() / full_score.double().unsqueeze(1)
    widths = occluded_fraction.double().diff(dim=1)
    sloping = widths if jumps == "line" else widths.clamp(max=1 / (thetas - 1))
    area = (widths * relative[:, 1:] + sloping * (relative[:, :-1] - relative[:, 1:]) / 2).sum(1)
    return area.masked_fill((full_score == 0) | (widths.sum(1) == 0), torch.nan)
