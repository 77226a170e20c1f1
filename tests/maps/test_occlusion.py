"""Occlusion by patches: every pixel hidden, the fill, and the map with its slow twin."""

import pytest
import torch

from reference.occlusion_map import occlusion_map as slowly
from sightline.errors import ImageError
from sightline.maps import occlusion_map, occlusions
from sightline.maps.occlusion import patches


@pytest.mark.parametrize("grid", [(7,), (8, 8), (7, 5), (1, 9), (3, 5, 4)], ids=str)
@pytest.mark.parametrize(("patch", "stride"), [(1, 1), (2, 2), (3, 2), (4, 4), (5, 1), (20, 20)])
def test_every_pixel_is_hidden_and_no_patch_leaves_the_image(grid, patch, stride):
    times = torch.zeros(grid)
    where = patches(grid, patch, stride)
    for place in where:
        times[place] += 1
        for part, size in zip(place, grid, strict=True):
            assert 0 <= part.start < part.stop <= size
            assert part.stop - part.start == min(patch, size)
    assert times.min() >= 1
    assert len({str(place) for place in where}) == len(where), "one patch twice"


def test_where_it_fits_there_is_no_extra_patch():
    assert len(patches((224, 224), 32, 16)) == 13 * 13
    assert len(patches((224, 224), 32, 32)) == 7 * 7
    assert len(patches((225, 224), 32, 32)) == 8 * 7


def test_only_the_patch_is_hidden():
    torch.manual_seed(0)
    images = torch.rand(2, 3, 5, 6) + 1
    before = images.clone()
    count = 0
    for hidden, place in occlusions(images, 2, 2):
        assert (hidden[:, :, *place] == 0).all()
        hidden[:, :, *place] = images[:, :, *place]
        assert torch.equal(hidden, before)
        count += 1
    assert count == 9
    assert torch.equal(images, before)


@pytest.mark.parametrize("kind", ["number", "channels", "substrate"])
def test_fills(kind):
    torch.manual_seed(0)
    images, substrate = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    fill = {"number": -2, "channels": torch.tensor([1.0, 2.0, 3.0]), "substrate": substrate}[kind]
    for hidden, place in occlusions(images, 3, 1, fill):
        for b in range(2):
            for c in range(3):
                want = {"number": -2.0, "channels": c + 1.0, "substrate": substrate[b, c, *place]}[
                    kind
                ]
                assert (hidden[b, c, *place] == want).all()


def test_the_map_by_hand():
    """Three patches over five pixels; pixel 3 lies under two of them."""
    where = patches((5,), 2, 2)
    drops = [torch.tensor([0.5, 0.0]), torch.tensor([-0.25, 0.0]), torch.tensor([0.75, 1.0])]
    assert occlusion_map(drops, where, (5,)).tolist() == [
        [0.5, 0.5, -0.25, 0.25, 0.75],
        [0, 0, 0, 0.5, 1],
    ]


def test_the_map_finds_what_the_score_depends_on():
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 2:4, 5:7] = 1
    drops, where = zip(
        *((image.sum((1, 2, 3)) - h.sum((1, 2, 3)), p) for h, p in occlusions(image, 2, 1)),
        strict=True,
    )
    found = occlusion_map(drops, where, (9, 9))
    assert divmod(int(found.argmax()), 9) in {(2, 5), (2, 6), (3, 5), (3, 6)}
    assert found[0, 6:].abs().max() == 0


def test_slow_twin():
    torch.manual_seed(0)
    where = patches((7, 6), 3, 2)
    drops = [torch.randn(2, dtype=torch.float64) for _ in where]
    want = slowly(drops, [(rows.start, columns.start) for rows, columns in where], 3, (7, 6))
    torch.testing.assert_close(occlusion_map(drops, where, (7, 6)), want, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("patch", "stride"), [(2, 3), (0, 0), (4, 0)])
def test_gaps_are_refused(patch, stride):
    with pytest.raises(
        ImageError, match=f"got patch={patch}, stride={stride}: some pixels would never be hidden"
    ):
        occlusions(torch.ones(1, 3, 8, 8), patch, stride)


def test_a_fill_of_another_shape_is_refused():
    with pytest.raises(
        ImageError, match=r"each of the 3 channels, or a substrate .* came a tensor of shape \[4\]"
    ):
        occlusions(torch.ones(1, 3, 8, 8), 2, 2, torch.ones(4))
