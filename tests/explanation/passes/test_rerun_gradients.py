"""Derivatives of the model run again: against autograd through the whole of it."""

import pytest
import torch

from helpers.closeness import assert_near
from helpers.jobs import reruns_of
from helpers.nets import batch, convnet
from sightline.errors import MethodError
from sightline.explanation.passes.rerun_gradients import masked_score_gradients, noisy_gradients
from sightline.explanation.passes.reruns import enlarged_masks

ALL = slice(None)


@pytest.mark.parametrize("at_once", [1, 16])
@pytest.mark.parametrize("sign", [1, -1])
def test_scores_and_derivatives_by_a_map_each(sign, at_once):
    net, x, targets = convnet(head="fc").double(), batch().double(), [1, 3]
    maps = torch.rand(6, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    reruns = reruns_of(net, x, targets, "5", counterfactual=sign == -1)
    scores, derivatives = masked_score_gradients(reruns, ALL, maps, None, at_once=at_once)
    own = maps.clone().requires_grad_()
    masks = enlarged_masks(own.unflatten(0, (2, 3)), (12, 10))
    want = torch.cat([net(x * masks[j].unsqueeze(1))[:, k] for j, k in enumerate(targets)])
    (slopes,) = torch.autograd.grad(sign * want.sum(), own)
    assert_near(scores, sign * want.detach(), 1e-9)
    assert_near(derivatives, slopes, 1e-9)


def test_without_noise_they_are_the_gradients():
    net, x = convnet(head="fc"), batch()
    reruns = reruns_of(net, x, [1, 3], "5")
    activations = net[:6](x).detach().requires_grad_()
    outputs = net[6:](activations)
    for gradient in noisy_gradients(reruns, 0, ALL, samples=2, std=0, seed=0):
        for j, k in enumerate([1, 3]):
            (want,) = torch.autograd.grad(outputs[:, k].sum(), activations, retain_graph=True)
            assert_near(gradient[3 * j : 3 * j + 3], want, 1e-5)


def test_an_image_has_the_same_noise_in_any_batch_and_a_seed_gives_it_again():
    net, x = convnet(head="fc"), batch()

    def drawn(images, seed):
        reruns = reruns_of(net, images, 1, "5")
        return list(noisy_gradients(reruns, 0, ALL, samples=2, std=0.3, seed=seed))

    first, again, other = drawn(x, 0), drawn(x, 0), drawn(x, 1)
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], first[1])
    for one, alone in zip(first, drawn(x[1:2], 0), strict=True):
        assert_near(one[1:2], alone, 1e-4)


def test_what_makes_no_sense_is_told():
    reruns = reruns_of(convnet(), batch(), 1, "5")
    with pytest.raises(MethodError, match="1 or more; got at_once=0"):
        masked_score_gradients(reruns, ALL, torch.zeros(3, 4, 4), None, at_once=0)
