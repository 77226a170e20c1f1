"""What the positions of a layer answer to the corners of the picture."""

import pytest
import torch
from torch import nn

from sightline.surgery.harness.given import Given
from sightline.surgery.layers.candidates import candidates
from sightline.surgery.layers.corner_response import Response, responses


class Net(nn.Module):
    """`patch` maps the picture, `mean` spreads its mean over a map, `own` is what was learnt."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.mean, self.own = nn.Conv2d(3, 4, 8, 8), nn.Identity(), nn.Identity()
        self.table = nn.Parameter(torch.rand(1, 4, 4, 6))

    def forward(self, x):
        y = self.patch(x)
        spread = self.mean(x.mean((1, 2, 3), keepdim=True).expand(-1, 4, 4, 6) + 0)
        return (y + spread + self.own(self.table.expand(len(x), -1, -1, -1) + 0)).mean((2, 3))


@pytest.mark.parametrize("size", [(32, 48)], ids=str)
def test_sharp_spread_and_still(size):
    given = Given.of(Net().eval(), torch.rand(2, 3, *size))
    rows, _ = candidates(given)
    found = dict(zip([row.names[0] for row in rows], responses(rows, given), strict=True))
    assert found["patch"] == Response((0, 5, 23), still=False, sharp=True)
    assert found["mean"].sharp is False
    assert found["mean"].peaks is not None
    assert found["own"] == Response(None, still=True, sharp=False)


def test_a_row_that_is_not_there_again_has_no_answer():
    class Fickle(nn.Module):
        """Takes another way for other pictures."""

        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)

        def forward(self, x):
            return self.one(x) if float(x[0, 0, 0, 0]) >= 0 else self.two(x)

    given = Given.of(Fickle().eval(), torch.rand(1, 3, 8, 8))
    rows, _ = candidates(given)
    (answer,) = responses(rows, given)
    assert answer == Response(None, still=False, sharp=False)


@pytest.mark.parametrize("layout", ["channels first", "time first"])
def test_a_clip_is_changed_in_its_first_and_in_its_last_frame(layout):
    shape = (1, 3, 4, 8, 8) if layout == "channels first" else (1, 4, 3, 8, 8)

    class Frames(nn.Module):
        def __init__(self):
            super().__init__()
            self.see = nn.Conv3d(3, 2, 1)

        def forward(self, x):
            return self.see(x if layout == "channels first" else x.transpose(1, 2))

    given = Given.of(Frames().eval(), torch.rand(shape))
    rows, _ = candidates(given)
    (answer,) = responses(rows, given)
    assert answer.peaks == (0, 7, 56, 3 * 64 + 63)


def test_patches_beside_their_sizes_are_changed_whole():
    class Patches(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(12, 8)

        def forward(self, pixel_values, spatial_shapes):
            return self.embed(pixel_values)

    inputs = {
        "pixel_values": torch.rand(1, 24, 12),
        "spatial_shapes": torch.tensor([[4, 6]]),
    }
    given = Given.of(Patches().eval(), inputs)
    rows, _ = candidates(given)
    (answer,) = responses(rows, given)
    assert answer == Response((0, 5, 23), still=False, sharp=True)
