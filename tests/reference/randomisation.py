"""Rank correlation with the map of each stage of the cascade."""

import torch
from torch import Tensor

from reference.correlation import pearson_of, ranks_of


def randomisation(image_map: Tensor, randomised_maps: Tensor) -> Tensor:
    rows = []
    for here, stages in zip(image_map, randomised_maps, strict=True):
        ranks = ranks_of(here.flatten().tolist())
        rows.append([pearson_of(ranks, ranks_of(stage.flatten().tolist())) for stage in stages])
    return torch.tensor(rows, dtype=torch.float64)
