"""What an explainer is asked: the class explained, and inputs that it was not made for."""

import pytest
import torch

from helpers.explainers import agree, noise
from helpers.nets import assert_same, batch, convnet, photograph
from sightline import exportable
from sightline.errors import ImageError, ModelError, TargetError


@pytest.mark.slow
def test_the_class_is_the_predicted_one_or_a_given_one_or_always_the_same():
    for model in (convnet(), convnet(head="fc")):
        images = batch(b=4)
        predicted = model(images).argmax(1)
        classes = torch.tensor([4, -1, 0, -1])
        asked = exportable(model, target="given", method="hires_cam", images=images, coarse=True)
        agree(
            asked,
            model,
            images,
            asked(images, classes),
            target=classes.where(classes >= 0, predicted),
        )
        fixed = exportable(model, target="c", classes="abcde", images=images)
        agree(fixed, model, images, fixed(images), target=2)
        assert fixed.card.classes == tuple("abcde")


@pytest.mark.slow
def test_a_single_logit_has_two_classes():
    for head in ("pool", "fc"):
        model, images = convnet(head=head, classes=1), batch(b=6)
        explainer = exportable(
            model, method="hires_cam", images=images, target="given", coarse=True
        )
        assert explainer(images, torch.zeros(6, dtype=torch.long))[0].shape == (6, 1)
        for classes in (torch.tensor([0, 1, 0, 1, 0, 1]), model(images)[:, 0].gt(0).long()):
            agree(explainer, model, images, explainer(images, classes), target=classes)
        predicted = torch.full((6,), -1)
        agree(explainer, model, images, explainer(images, predicted))


def test_what_an_explainer_was_not_made_for_is_told():
    explainer = exportable(convnet(), images=batch())
    with pytest.raises(ImageError, match=r"size \[12, 10\] .* got \[12, 12\]. Resize"):
        explainer(noise(1, 12, 12))
    with pytest.raises(ImageError, match=r"\[b, 3, 12, 10\]; got \[3, 12, 10\]"):
        explainer(noise(1, 12, 10)[0])
    with pytest.raises(TargetError, match="Expected no classes; some came"):
        explainer(batch(), torch.zeros(3, dtype=torch.long))
    with pytest.raises(TargetError, match="a class for each image as second input; none came"):
        exportable(convnet(), images=batch(), target="given")(batch())
    given = exportable(convnet(), images=batch(), target="given")
    for classes in (
        torch.tensor([1]),
        torch.tensor([1.0, 2.0, 3.0]),
        torch.tensor([[1], [2], [3]]),
    ):
        with pytest.raises(TargetError, match=r"an integer tensor \[3\]; got"):
            given(batch(), classes)
    with pytest.raises(ImageError, match=r"a float tensor \[b, 3, 12, 10\]; got torch.uint8"):
        explainer(batch().to(torch.uint8))
    with pytest.raises(ModelError, match=r"in torch.bfloat16.* model.float\(\)"):
        exportable(convnet().bfloat16(), images=batch())


@pytest.mark.parametrize("head", ["pool", "fc"])
@pytest.mark.parametrize("change", ["half", "double", "freeze", "zero"])
def test_what_is_done_to_an_explainer_leaves_the_model_alone(head, change):
    model, images = convnet(head=head), batch()
    model[3].weight.requires_grad_(False)
    before = photograph(model)
    explainer = exportable(model, images=images)
    if change == "freeze":
        explainer.requires_grad_(False)
    elif change == "zero":  # the numbers are shared, until they are replaced
        for own in explainer.parameters():
            own.data = torch.zeros_like(own)
    else:
        getattr(explainer, change)()
        dtype = torch.half if change == "half" else torch.double
        assert {own.dtype for own in explainer.parameters()} <= {dtype}
    assert_same(before, photograph(model))


def test_an_explainer_that_was_made_double_says_the_same():
    model, images = convnet(head="fc"), batch()
    explainer = exportable(model, images=images)
    wanted = explainer(images)
    for one, other in zip(explainer.double()(images.double()), wanted, strict=True):
        torch.testing.assert_close(one.float(), other)


def test_an_explainer_has_the_memory_of_the_model():
    model = convnet()
    explainer = exportable(model, images=batch())
    own = {one.data_ptr() for one in model.parameters()}
    assert {one.data_ptr() for one in explainer.parameters()} == own
    assert [one.requires_grad for one in explainer.parameters()] == [True] * len(own)
