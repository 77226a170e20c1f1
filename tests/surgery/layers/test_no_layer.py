"""The errors for networks in which no layer can be chosen."""

import torch
from torch import nn

from sightline.surgery.harness.given import Given
from sightline.surgery.layers.no_layer import no_feature_map, no_influence


class Crops(nn.Module):
    """Four quarters of each picture, one after another in the batch."""

    def __init__(self):
        super().__init__()
        self.features, self.head = nn.Conv2d(3, 6, 3, padding=1), nn.Linear(6, 2)

    def forward(self, x):
        quarters = x.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
        return self.head(self.features(quarters).mean((2, 3)).unflatten(0, (len(x), -1)).mean(1))


def test_rows_that_are_no_pictures_are_named():
    text = str(no_feature_map(Given.of(Crops(), torch.rand(3, 3, 16, 16))))
    assert "have 4 for one, as 'features' does, (12, 6, 8, 8)" in text
    assert "crops and copies explain one by one" in text


def test_without_maps_there_are_none():
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    text = str(no_feature_map(Given.of(net, torch.rand(3, 3, 4, 4))))
    assert "Sequential has no layer whose output has a grid. Name one" in text


def test_the_outputs_depend_on_nothing():
    text = str(no_influence(Given.of(nn.Conv2d(3, 2, 3), torch.rand(1, 3, 8, 8)), 7))
    assert (
        "outputs of Conv2d to depend on a feature map; they do not on the last 7: weights of"
        in text
    )
    assert "compare the pictures of a batch" in text
