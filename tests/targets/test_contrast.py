"""A class against similar ones and against the runner-up."""

import pytest
import torch

from reference.scores import finer, margin
from sightline.errors import TargetError
from sightline.targets import Contrast, Margin, ask

LOGITS = torch.randn(4, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("klass", [None, 0, 5, torch.tensor([0, 2, 4, 5])], ids=str)
@pytest.mark.parametrize(("gamma", "similar"), [(0.6, 3), (1.0, 1), (0.0, 5)])
def test_they_are_the_slow_twins(klass, gamma, similar):
    own = LOGITS.argmax(1) if klass is None else torch.as_tensor(klass).expand(4)
    rows = LOGITS.tolist()
    wanted = [finer(row, int(c), gamma, similar) for row, c in zip(rows, own, strict=True)]
    assert Contrast(klass, gamma=gamma, similar=similar)(LOGITS).tolist() == pytest.approx(
        wanted, abs=1e-12
    )
    wanted = [margin(row, int(c)) for row, c in zip(rows, own, strict=True)]
    assert Margin(klass)(LOGITS).tolist() == pytest.approx(wanted, abs=1e-12)


def test_named_rivals():
    names = list("abcdef")
    scores = Contrast("c", against=["a", 5], gamma=0.5)(LOGITS, names)
    assert torch.allclose(scores, LOGITS[:, 2] - 0.25 * (LOGITS[:, 0] + LOGITS[:, 5]))


def test_derivatives_are_one_for_the_class_and_shares_of_gamma_for_the_rivals():
    logits = torch.tensor([[5.0, 4.0, 1.0, 3.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(Contrast(gamma=0.6, similar=2)(logits).sum(), logits)
    assert gradient[0].tolist() == pytest.approx([1, -0.3, 0, -0.3])
    (gradient,) = torch.autograd.grad(Margin()(logits).sum(), logits)
    assert gradient[0].tolist() == [1, -1, 0, 0]


def test_what_they_are_called():
    words = [Contrast(), Contrast("cat", against=["dog", 3]), Margin(2)]
    assert [str(t[0]) for t in ask(words[:1], LOGITS).targets] == [
        "predicted against similar classes"
    ] * 4
    assert [str(one) for one in words[1:]] == [
        "cat against dog, class 3",
        "class 2 against the runner-up",
    ]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Contrast(similar=6), "1 to 5 similar classes .* got 6"),
        (Contrast(similar=0), "got 0"),
        (Contrast(1, against=[]), "against= is empty"),
        (Contrast(1, against=[0, 1]), "holds the class asked for itself"),
        (Contrast(6), "from 0 to 5; got 6"),
        (Margin("cat"), "class names are not known"),
    ],
    ids=str,
)
def test_what_cannot_be_compared(target, message):
    with pytest.raises(TargetError, match=message):
        target(LOGITS)


@pytest.mark.parametrize("target", [Contrast(), Margin()], ids=str)
def test_a_single_logit_has_no_rivals(target):
    with pytest.raises(TargetError, match=r"two classes or more .* single logit"):
        target(torch.zeros(3, 1))
