"""Win %: how often one method's explanation loses less confidence than another's."""

import numpy as np
import torch

from sightline.metrics.metric import Values
from sightline.types import Scores


def win(drop: Scores, other_drop: Scores) -> Scores:
    r"""+1 where this method's drop is the smaller one, -1 where the other's is, 0 for a tie.

    $$\mathrm{sign}(d' - d)$$
    with d and d' what `average_drop` says of the same image for two methods (Grad-CAM++ v3, section
    4.1). The paper does not say what happens to ties; they are frequent, as every increase in
    confidence is a drop of 0, so they are kept apart here. Its tables' columns add up to 100: a tie
    must have gone to one side. nan where either drop is.

    No metric of one method, therefore not marked as one: `win_share` makes the figures of the rows.

    >>> win(torch.tensor([0.1, 0.0, 0.5]), torch.tensor([0.3, 0.0, 0.4]))
    tensor([ 1.,  0., -1.], dtype=torch.float64)
    """
    return (
        (other_drop.double() - drop.double())
        .sign()
        .masked_fill(drop.isnan() | other_drop.isnan(), torch.nan)
    )


def win_share(values: Values) -> tuple[float, float, float]:
    """The shares of wins, ties and losses among the rows that say something; their sum is 1.

    Seen from the other method the first and the last change places.

    >>> win_share(np.array([1.0, 1.0, 0.0, -1.0, np.nan]))
    (0.5, 0.25, 0.25)
    """
    kept = values[np.isfinite(values)]
    if not kept.size:
        return float("nan"), float("nan"), float("nan")
    return float((kept > 0).mean()), float((kept == 0).mean()), float((kept < 0).mean())
