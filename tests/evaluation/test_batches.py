"""Batches of one's own: a loader, a generator, a mapping with what is known."""

import re

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from helpers.small_runs import CLASSES, PREPROCESS, run
from sightline.errors import DataError
from sightline.evaluation.batches import from_batches
from sightline.protocol import Protocol


def test_a_loader_of_batches_gives_the_same_numbers_as_the_folder(model, folder):
    from sightline.images import prepare

    paths = [
        p
        for p in sorted(folder.rglob("*.png"), key=lambda p: (p.parent.name, p.name))
        if p.name != "04.png"
    ]
    inputs = prepare(paths, PREPROCESS).inputs
    labels = torch.tensor([CLASSES.index(p.parent.name) for p in paths])
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=4)
    found = run(model, loader, ["grad_cam_pp"], "average_drop")
    want = [
        v
        for v in run(model, folder, ["grad_cam_pp"], "average_drop").column("average_drop")
        if v is not None
    ]
    assert np.allclose(found.column("average_drop"), want, atol=1e-5)
    assert found.column("label") == labels.tolist()


def test_batches_in_a_mapping_bring_boxes_and_names(model):
    x = torch.rand(2, 3, 16, 16)
    batch = {
        "images": x,
        "labels": torch.tensor([1, 2]),
        "names": ["a", "b"],
        "boxes": [torch.tensor([[0, 0, 16, 16]]), torch.zeros(0, 4)],
    }
    found = run(
        model,
        [batch],
        ["grad_cam"],
        "energy_pointing_game,localisation_error",
        protocol=Protocol(explained="given"),
    )
    assert found.column("image") == ["a", "b"]
    assert found.column("target") == [1, 2]
    assert found.column("energy_pointing_game") == [1.0, None]
    assert found.column("boxes") == [[[0, 0, 16, 16]], []]


def test_annotations_of_batches(model):
    x = torch.rand(3, 3, 16, 16)
    boxes = [torch.tensor([[2.0, 2, 8, 8]]), None, torch.tensor([[8.0, 8, 2, 2]])]
    batch = {"images": x, "labels": torch.tensor([0, 1, 2]), "boxes": boxes}
    found = run(
        model, [batch], ["grad_cam"], "energy_pointing_game", protocol=Protocol(explained="given")
    )
    assert found.column("boxes") == [[[2, 2, 8, 8]], None, None]
    assert found.column("error")[:2] == [None, None]
    assert "[left, top, right, bottom]" in found.column("error")[2]
    with pytest.raises(DataError, match="class numbers; got names such as 'cat'"):
        run(model, [(x, ["cat", "dog", "emu"])], ["grad_cam"])


def test_a_label_out_of_range_is_a_row_with_its_error(model):
    found = run(
        model, [(torch.rand(2, 3, 16, 16), torch.tensor([0, 7]))], ["grad_cam"], "average_drop"
    )
    assert found.column("error")[0] is None
    assert "a class from 0 to 2; the label is 7" in found.column("error")[1]


SIGNALS, VOLUMES = torch.zeros(1, 2, 9), torch.zeros(1, 1, 4, 5, 6)


@pytest.mark.parametrize(
    ("images", "known", "words"),
    [
        (SIGNALS, {"boxes": [[[2.0, 2, 8, 8]]]}, r"boxes \[start, end\].*got the shape \[1, 4\]"),
        (SIGNALS, {"boxes": [[[8.0, 2.0]]]}, r"boxes \[start, end\]; got \[8.0, 2.0\]"),
        (VOLUMES, {"boxes": [[[0.0, 0, 2, 2]]]}, r"\[left, top, front, right, bottom, back\]"),
        (SIGNALS, {"masks": torch.ones(1, 2, 9)}, r"image's size \[9\].*shape \[2, 9\]"),
        (VOLUMES, {"masks": torch.ones(1, 5, 6)}, r"image's size \[4, 5, 6\].*shape \[5, 6\]"),
    ],
)
def test_annotations_of_another_space_are_their_image_s_error(images, known, words):
    batch = {"images": images, "labels": [0], **known}
    ((item,),) = [some.items for some in from_batches([batch], PREPROCESS, 0)]
    assert re.search(words, item.error)


@pytest.mark.parametrize(
    ("images", "box"), [(SIGNALS, [2.0, 5.0]), (VOLUMES, [0.0, 0, 1, 2, 2, 3])]
)
def test_annotations_of_signals_and_volumes(images, box):
    mask = torch.ones(1, *images.shape[2:], dtype=torch.bool)
    for boxes in ([[box, box]], [box], [torch.zeros(0, 4)]):  # one may come without its brackets
        batch = {"images": images, "labels": [7], "boxes": boxes, "masks": mask}
        ((item,),) = [some.items for some in from_batches([batch], PREPROCESS, 64)]
        assert (item.error, item.view, item.annotated) == (None, None, True)
        assert item.boxes[7].tolist() == [box] * (torch.as_tensor(boxes[0]).numel() // len(box))
        assert torch.equal(item.masks[7], mask[0])
