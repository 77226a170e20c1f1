"""What a model is given: which of its inputs is the image, and in which shape."""

import pytest
import torch
from torch import nn

from helpers.nets import batch, convnet
from sightline.errors import ModelError, SurgeryError
from sightline.surgery import capture, choose, look
from sightline.surgery.harness import given as module
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.input_frame import Frame


@pytest.mark.parametrize(
    ("inputs", "args", "kwargs", "alone"),
    [
        (torch.zeros(1, 3, 4, 4), 1, [], True),
        ((torch.zeros(1, 3, 4, 4),), 1, [], False),
        ([torch.zeros(2), torch.zeros(1, 3, 4, 4)], 2, [], False),
        ({"n": 3, "x": torch.zeros(1, 3, 4, 4)}, 0, ["n", "x"], False),
    ],
    ids=["tensor", "tuple", "list", "mapping"],
)
def test_whatever_was_handed_in_becomes_arguments(inputs, args, kwargs, alone):
    given = Given.of(nn.ReLU(), inputs)
    assert (len(given.args), list(given.kwargs), given.batch_only) == (args, kwargs, alone)
    assert given.shape == (1, 3, 4, 4)
    assert given.size == (4, 4)


def test_wrappers_are_taken_off_and_what_cannot_be_opened_is_refused():
    net = convnet()
    assert Given.of(nn.DataParallel(net), batch()).model is net
    with pytest.raises(ModelError, match=r"Expected a torch\.nn\.Module"):
        Given.of(torch.relu, batch())


def test_a_given_is_handed_on_as_it_is():
    net, x = convnet(head="fc"), batch()
    given = Given.of(net, x)
    assert Given.of(net, given) is given
    assert torch.equal(look(net, given), look(net, x))
    assert torch.equal(capture(net, given, "3").activations, capture(net, x, "3").activations)
    assert choose(net, given) == choose(convnet(head="fc"), x)


def test_the_image_is_the_first_float_with_axes_beyond_the_channels():
    image, other = torch.rand(2, 3, 5, 6), torch.rand(2, 3, 7, 8)
    words = torch.zeros(2, 9, 4, dtype=torch.long)
    given = Given.of(nn.ReLU(), {"words": words, "scale": torch.rand(2), "a": image, "b": other})
    assert given.image is image
    assert given.shape == (2, 3, 5, 6)


@pytest.mark.parametrize(
    ("shape", "read"),
    [
        ((1, 8, 3, 32, 24), (1, 3, 8, 32, 24)),
        ((1, 3, 8, 32, 24), (1, 3, 8, 32, 24)),
        ((1, 3, 3, 32, 24), (1, 3, 3, 32, 24)),
        ((1, 8, 1, 32, 24), (1, 1, 8, 32, 24)),
    ],
    ids=str,
)
def test_a_clip_may_come_with_the_time_before_the_channels(shape, read):
    assert Given.of(nn.ReLU(), torch.zeros(shape)).shape == read


@pytest.mark.parametrize("kind", ["spatial_shapes", "patch_coord"])
def test_an_image_may_come_cut_into_patches(kind):
    rows, columns = 4, 12
    corner = torch.stack(
        torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"), -1
    )
    stated = {
        "spatial_shapes": torch.tensor([[rows, columns]] * 2),
        "patch_coord": corner.flatten(0, 1).expand(2, -1, -1),
    }[kind]
    given = Given.of(nn.ReLU(), {"pixel_values": torch.zeros(2, 48, 7), kind: stated})
    assert given.shape == (2, 7, rows, columns)


def test_images_cut_into_other_numbers_of_patches_are_refused():
    sizes = torch.tensor([[4, 12], [6, 8]])
    given = Given.of(nn.ReLU(), {"pixel_values": torch.zeros(2, 48, 7), "spatial_shapes": sizes})
    with pytest.raises(SurgeryError, match=r"\[\[4, 12\], \[6, 8\]\]\. Explain those of one size"):
        _ = given.shape


def test_a_model_without_an_image_runs_and_only_who_wants_one_is_told():
    given = Given.of(nn.ReLU(), torch.tensor([[-1.0, 2.0]]))
    assert given.run().tolist() == [[0.0, 2.0]]
    with pytest.raises(SurgeryError, match=r"found none among \[\(1, 2\)\]"):
        _ = given.image


def test_the_frame_is_worked_out_once_and_not_before_it_is_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(
        module, "framed", lambda model, shape, seen: asked.append(shape) or Frame(shape)
    )
    given = Given.of(nn.ReLU(), torch.zeros(1, 3, 4, 4))
    assert asked == []
    assert given.frame is given.frame
    assert given.frame.images == (1, 3, 4, 4)
    assert asked == [(1, 3, 4, 4)]


def test_another_image_stands_wherever_the_first_one_stood():
    image, mask, new = torch.zeros(1, 3, 4, 4), torch.ones(1), torch.ones(1, 3, 4, 4)
    given = Given.of(nn.ReLU(), (image, mask, image))
    changed = given.with_image(new)
    assert [one is new for one in changed.args] == [True, False, True]
    assert changed.image is new
    assert given.image is image
    named = Given.of(nn.ReLU(), {"mask": mask, "image": image}).with_image(new)
    assert named.kwargs["mask"] is mask
    assert named.kwargs["image"] is new
