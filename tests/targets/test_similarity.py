"""The cosine to a vector."""

from types import SimpleNamespace

import pytest
import torch

from reference.scores import cosine
from sightline.errors import TargetError
from sightline.targets import Similarity, ask

OWN = torch.randn(3, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TEXT = torch.randn(7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_it_is_the_slow_twin_s_cosine():
    wanted = [cosine(row, TEXT.tolist()) for row in OWN.tolist()]
    assert Similarity(TEXT)(OWN).tolist() == pytest.approx(wanted, abs=1e-12)
    assert Similarity(5 * TEXT)(OWN / 3).tolist() == pytest.approx(wanted, abs=1e-12)
    each = torch.stack([TEXT, -TEXT, OWN[2]])
    assert Similarity(each)(OWN).tolist() == pytest.approx([wanted[0], -wanted[1], 1.0], abs=1e-12)


def test_its_derivative_is_what_is_left_of_the_vector_across_the_embedding():
    own = OWN.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(Similarity(TEXT)(own).sum(), own)
    for v, g in zip(OWN, gradient, strict=True):
        u, t = v / v.norm(), TEXT / TEXT.norm()
        assert torch.allclose(g, (t - (t @ u) * u) / v.norm(), atol=1e-12)


@pytest.mark.parametrize(
    "outputs",
    [
        {"text_embeds": OWN + 1, "image_embeds": OWN},
        {"last_hidden_state": torch.zeros(3, 5, 7), "pooler_output": OWN},
        SimpleNamespace(image_embeds=OWN, other=1),
        OWN[:, :, None, None],
    ],
)
def test_where_the_embedding_stands(outputs):
    assert torch.allclose(Similarity(TEXT)(outputs), Similarity(TEXT)(OWN))


def test_another_output_by_name_and_a_name_for_the_result():
    outputs = {"image_embeds": OWN, "deep": [OWN + 1]}
    question = ask(Similarity(TEXT, output=["deep", 0], name="a dog on a beach"), outputs, images=3)
    assert torch.allclose(question.scores[0], Similarity(TEXT)(OWN + 1))
    assert str(question.targets[0][0]) == "a dog on a beach"


@pytest.mark.parametrize(
    ("to", "outputs", "message"),
    [
        (torch.ones(6), OWN, r"vector \[7\], or one for each of the 3 images; got \[6\]"),
        (torch.ones(2, 7), OWN, r"got \[2, 7\]"),
        (torch.zeros(7), OWN, "one of them is zero"),
        (TEXT, OWN * torch.tensor([[1.0], [0.0], [1.0]]), "one of them is zero"),
        (
            TEXT,
            torch.zeros(3, 4, 7),
            r"embedding for each image, \[b, d\]; the model returned \[3, 4, 7\]",
        ),
        (TEXT, {"logits": OWN}, "the model returned dict"),
    ],
)
def test_what_has_no_cosine(to, outputs, message):
    with pytest.raises(TargetError, match=message):
        Similarity(to)(outputs)


def test_an_output_that_is_not_there_is_told_with_near_names():
    with pytest.raises(
        TargetError,
        match=r"called 'image_embed'; the model returned a dict without it\. Near names: 'im",
    ):
        Similarity(TEXT, output="image_embed")({"image_embeds": OWN})
