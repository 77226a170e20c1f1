"""The order of pixels and the masks from it, with Python's sort and numpy's quantile."""

import numpy as np
import torch
from torch import Tensor


def rank(image_map: Tensor) -> Tensor:
    rows = image_map.flatten(1).tolist()
    return torch.tensor([sorted(range(len(row)), key=lambda k, row=row: -row[k]) for row in rows])


def top_mask(image_map: Tensor, share: float) -> Tensor:
    mask = torch.zeros_like(image_map, dtype=torch.bool)
    flat = mask.flatten(1)
    for b, order in enumerate(rank(image_map).tolist()):
        for k in range(int(share * len(order) + 0.5)):
            flat[b, order[k]] = True
    return flat.view(mask.shape)


def quantile_mask(image_map: Tensor, theta: float) -> Tensor:
    masks = []
    for one in image_map.double().numpy():
        gamma = np.quantile(one, theta)
        masks.append(torch.from_numpy(one >= gamma))
    return torch.stack(masks)
