"""ROAD's linear imputation as one dense system: a known place is itself, a removed one its
neighbours' mean. In two dimensions the weights are ROAD's 1/6 and 1/12; in any number the 3^n - 1
neighbours weigh half as much for each further axis along which they are away, 1 all together.
"""

import itertools

import numpy as np
import torch
from torch import Tensor


def weights(axes: int) -> dict[tuple[int, ...], float]:
    steps = [step for step in itertools.product((-1, 0, 1), repeat=axes) if any(step)]
    raw = {step: 0.5 ** sum(map(abs, step)) for step in steps}
    return {step: weight / sum(raw.values()) for step, weight in raw.items()}


def impute(images: Tensor, removed: Tensor) -> Tensor:
    size = tuple(images.shape[2:])
    number = {place: k for k, place in enumerate(np.ndindex(*size))}
    steps = weights(len(size))
    filled = torch.zeros_like(images)
    for b in range(len(images)):
        system = np.zeros((len(number), len(number)))
        for place, here in number.items():
            system[here, here] = 1
            if removed[(b, *place)]:
                beside = {
                    tuple(a + d for a, d in zip(place, step, strict=True)): weight
                    for step, weight in steps.items()
                }
                within = {there: weight for there, weight in beside.items() if there in number}
                for there, weight in within.items():
                    system[here, number[there]] = -weight / sum(within.values())
        for c in range(images.shape[1]):
            known = torch.where(removed[b], 0, images[b, c]).double().numpy().ravel()
            filled[b, c] = torch.from_numpy(np.linalg.solve(system, known)).view(size)
    return filled
