"""A class, a region, a pixel of a segmentation network's outputs."""

import pytest
import torch
from torch.nn import functional as F

from reference.scores import predicted, region
from sightline.errors import TargetError
from sightline.targets import Region, ask
from sightline.targets.segmentation import dense


def made(b=2, k=4, h=5, w=6):
    return torch.randn(b, k, h, w, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("reduce", ["mean", "sum"])
@pytest.mark.parametrize("klass", [0, 3])
def test_the_class_where_it_is_predicted_is_the_slow_twin_s(klass, reduce):
    logits = made()
    scores = Region(klass, reduce=reduce)(logits)
    for i, one in enumerate(logits.tolist()):
        assert scores[i].item() == pytest.approx(
            region(one, klass, predicted(one, klass), reduce == "mean"), abs=1e-12
        )


def test_a_mask_a_box_and_a_pixel_hold_their_pixels():
    logits, mask = made(), torch.zeros(5, 6)
    mask[1:4, 2:5] = 1
    box = [[1.0 if 1 <= i < 4 and 2 <= j < 5 else 0.0 for j in range(6)] for i in range(5)]
    wanted = [region(one, 2, box, mean=True) for one in logits.tolist()]
    for where in (mask, mask.bool(), (2, 1, 5, 4), (1.6, 0.7, 5.4, 4.3), mask.expand(2, 5, 6)):
        assert Region(2, where=where)(logits).tolist() == pytest.approx(wanted, abs=1e-12)
    assert torch.equal(Region(1, where=(4, 2))(logits), logits[:, 1, 2, 4])  # x, then y
    assert torch.equal(Region(1, where=(4.9, 2.1))(logits), logits[:, 1, 2, 4])


def test_a_mask_may_have_another_scale_and_may_be_an_array():
    logits, mask = made(h=4, w=6), torch.zeros(8, 12)
    mask[2:6, 4:8] = 1
    small = ask(Region(2, where=mask), logits, size=(16, 24)).scores[0]
    large = F.interpolate(logits, (8, 12), mode="bilinear", align_corners=False)
    assert torch.allclose(small, large[:, 2, 2:6, 4:8].mean((1, 2)))
    assert torch.equal(
        small, ask(Region(2, where=mask.bool().numpy()), logits, size=(16, 24)).scores[0]
    )
    assert str(Region(2, where=mask.bool().numpy())) == str(Region(2, where=mask))


@pytest.mark.parametrize("shape", [(24, 16), (10, 10), (2, 24, 16), (24,)])
def test_a_mask_that_lies_across_is_refused(shape):
    """Enlarged to the picture it would tell of other pixels, and nobody would see."""
    with pytest.raises(
        TargetError, match=r"proportions, 16 x 24 \(height first\).*Transpose or resize"
    ):
        ask(Region(2, where=torch.ones(shape)), made(h=4, w=6), size=(16, 24))


def test_each_image_its_own_class_and_its_own_mask():
    logits = made()
    mask = torch.zeros(2, 5, 6)
    mask[0, 0, 0] = mask[1, 4, 5] = 1
    scores = Region(torch.tensor([3, 1]), where=mask)(logits)
    assert scores.tolist() == [logits[0, 3, 0, 0].item(), logits[1, 1, 4, 5].item()]


def test_a_batch_is_its_images_one_by_one():
    logits = made()
    together = Region(1)(logits)
    assert torch.equal(together, torch.cat([Region(1)(logits[i : i + 1]) for i in range(2)]))


def test_no_class_is_the_predicted_one_of_every_pixel():
    logits = made()
    assert torch.allclose(
        Region(None, where=(0, 0, 6, 5))(logits), logits.amax(1).flatten(1).mean(1)
    )
    assert torch.allclose(Region(None, reduce="sum")(logits), logits.amax(1).flatten(1).sum(1))


def test_outputs_of_lower_resolution_are_enlarged_to_the_picture_before_anything_is_predicted():
    logits = made()
    large = F.interpolate(logits, (20, 24), mode="bilinear", align_corners=False)
    for one in (Region(2), Region(2, where=(3, 4, 11, 9)), Region(2, where=(23, 19))):
        assert torch.allclose(one(logits, size=(20, 24)), one(large))
    mask = torch.zeros(20, 24)
    mask[3:9, 4:8] = 1
    assert torch.allclose(Region(2, where=mask)(logits), Region(2, where=mask)(large))


def test_derivatives_are_the_region_s_share():
    logits = made().requires_grad_()
    (gradient,) = torch.autograd.grad(Region(1, where=(0, 0, 2, 3))(logits).sum(), logits)
    wanted = torch.zeros_like(gradient)
    wanted[:, 1, :3, :2] = 1 / 6
    assert torch.allclose(gradient, wanted, atol=1e-15)


@pytest.mark.parametrize("form", ["mapping", "logits", "tuple", "object"])
def test_whatever_a_network_returns(form):
    class Answer:
        logits = made()

    outputs = {
        "mapping": {"aux": made() + 1, "out": made()},
        "logits": {"loss": torch.tensor(0.0), "logits": made()},
        "tuple": (torch.zeros(2, 3), made()),
        "object": Answer(),
    }[form]
    assert torch.equal(dense(outputs), made())


def test_queries_with_masks_are_put_together():
    classes, masks = made(2, 3, 1, 5)[:, :, 0], made(2, 3, 4, 4)
    found = dense({"class_queries_logits": classes, "masks_queries_logits": masks})
    slow = torch.zeros(2, 4, 4, 4, dtype=torch.float64)
    for b in range(2):
        for q in range(3):
            for k in range(4):
                slow[b, k] += classes[b, q].softmax(0)[k] * masks[b, q].sigmoid()
    assert torch.allclose(found, slow, atol=1e-12)


def test_volumes_are_asked_where_predicted_or_by_a_mask():
    logits = torch.randn(1, 3, 2, 3, 4, generator=torch.Generator().manual_seed(1))
    mask = torch.zeros(2, 3, 4)
    mask[1, 2, 3] = 1
    assert Region(1, where=mask)(logits).item() == logits[0, 1, 1, 2, 3].item()
    with pytest.raises(TargetError, match="For clips and volumes pass a mask"):
        Region(1, where=(0, 0, 2, 2))(logits)


def test_by_name_and_in_words():
    names = ["ground", "cat", "dog", "cup"]
    question = ask(Region("dog", where=(1, 1)), made(), classes=names, images=2)
    assert torch.equal(question.scores[0], made()[:, 2, 1, 1])
    assert [row[0].name for row in question.targets] == ["dog at pixel 1, 1"] * 2
    words = [
        Region(None),
        Region(3),
        Region("cat", where=torch.ones(2, 2)),
        Region(1, where=(0, 0, 2, 2.5)),
    ]
    assert [str(one) for one in words] == [
        "predicted",
        "class 3",
        "cat in a mask",
        "class 1 in box 0, 0, 2, 2.5",
    ]


def test_what_is_predicted_nowhere_is_told_with_what_is():
    logits = torch.zeros(1, 3, 2, 2)
    logits[:, 0] = 1
    logits[:, 1, 0, 0] = 2
    with pytest.raises(
        TargetError,
        match=r"predicted as 'cup'; image 0 has none, but ground \(75%\), cat \(25%\)\. Ask",
    ):
        Region("cup")(logits, classes=["ground", "cat", "cup"])
    assert Region("cup", where=(0, 0))(logits, classes=["ground", "cat", "cup"]).item() == 0


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Region(9), "class from 0 to 3; got 9"),
        (Region(torch.tensor(1.5)), "number, name or integer tensor"),
        (Region(torch.tensor([0, 1, 2])), "one class for each of the 2 images; got 3"),
        (Region("cat"), "class names are not known"),
        (Region(1, where=(3, 3, 3, 4)), "6 pixels wide and 5 high"),
        (Region(1, where=(0, 0, 7, 4)), "6 pixels wide and 5 high"),
        (Region(1, where=(6, 0)), "6 pixels wide and 5 high"),
        (Region(1, where=(2.6, 0, 3.4, 4)), "6 pixels wide"),
        (Region(1, where=(1, 2, 3)), r"mask, box \(left, top, right, bottom\) or pixel"),
        (Region(1, where=torch.zeros(5, 6)), "one is empty"),
        (Region(1, where=torch.ones(3, 5, 6)), "one for each of the 2 images"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_what_cannot_be_asked(target, message):
    with pytest.raises(TargetError, match=message):
        target(made())


def test_halves_are_summed_up_in_float32():
    logits = torch.full((1, 2, 300, 300), 10.0, dtype=torch.float16, requires_grad=True)
    score = Region(1, where=(0, 0, 300, 300), reduce="sum")(logits)
    assert score.item() == 900_000
    (gradient,) = torch.autograd.grad(score.sum(), logits)
    assert gradient.dtype == torch.float16
    assert gradient.sum(dtype=torch.float32).item() == 90_000


def test_another_way_to_reduce_is_refused():
    target = Region(1)
    object.__setattr__(target, "reduce", "max")  # what the types forbid, people write all the same
    with pytest.raises(TargetError, match="reduce='mean' or reduce='sum'; got 'max'"):
        target(made())


def test_a_classifier_s_outputs_are_no_segmentation():
    with pytest.raises(
        TargetError, match=r"\[images, classes, height, width\]; the model returned \[\(2, 5\)\]"
    ):
        Region(1)(torch.zeros(2, 5))
    with pytest.raises(TargetError, match="returned str"):
        Region(1)("no")
