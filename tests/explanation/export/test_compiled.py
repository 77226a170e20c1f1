"""An explainer through torch's compiler: the outputs and maps of `explain`, for any batch."""

import shutil

import pytest
import torch
from torch import nn

from helpers.explainers import Narrow, Normed, Tokens, agree, noise
from helpers.nets import convnet
from sightline import compiled, exportable
from sightline.errors import ImageError, SurgeryError, TargetError
from sightline.explanation.export.compiled import Compiled

BACKEND = "aot_eager"
"""Traced as for every backend, and run by torch's own kernels."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "layer"), [(Narrow, "body"), (Tokens, "mix"), (Normed, None), (convnet, None)]
)
def test_outputs_and_maps_of_batches_of_any_size(kind, layer):
    net = kind().eval()
    fast = compiled(exportable(net, layer, images=noise(1, 16, 16)), backend=BACKEND)
    for b in (3, 1, 5):
        agree(fast.explainer, net, noise(b, 16, 16), fast(noise(b, 16, 16)))


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("g++") is None, reason="needs a C++ compiler, which the default backend writes for"
)
def test_the_default_backend():
    net = Normed().eval()
    fast = compiled(exportable(net, images=noise(1, 16, 16), coarse=True))
    found = fast(noise(4, 16, 16))
    agree(fast.explainer, net, noise(4, 16, 16), found)
    assert len(found) == 3


@pytest.mark.slow
def test_given_classes():
    net = Normed().eval()
    fast = compiled(exportable(net, images=noise(1, 16, 16), target="given"), backend=BACKEND)
    agree(
        fast.explainer,
        net,
        noise(3, 16, 16),
        fast(noise(3, 16, 16), torch.tensor([4, 0, 2])),
        torch.tensor([4, 0, 2]),
    )
    agree(fast.explainer, net, noise(2, 16, 16), fast(noise(2, 16, 16), torch.tensor([-1, -1])))
    with pytest.raises(TargetError, match="Expected a class for each image"):
        fast(noise(2, 16, 16))


@pytest.mark.slow
@pytest.mark.usefixtures("shapes_unchecked")
def test_any_size():
    net = Normed().eval()
    fast = compiled(exportable(net, images=noise(1, 16, 16), any_size=True), backend=BACKEND)
    for size in ((16, 16), (20, 28)):
        agree(fast.explainer, net, noise(2, *size), fast(noise(2, *size)))


@pytest.mark.slow
def test_the_weights_are_the_model_s_and_what_they_become_is_explained():
    net = Normed().eval()
    fast = compiled(exportable(net, images=noise(1, 16, 16)), backend=BACKEND)
    held = {weight.data_ptr() for weight in fast.state_dict().values()}
    assert held >= {weight.data_ptr() for weight in net.parameters()}
    fast(noise(2, 16, 16))
    with torch.no_grad():
        net.head.weight.neg_()
    agree(fast.explainer, net, noise(2, 16, 16), fast(noise(2, 16, 16)))


@pytest.mark.slow
def test_nothing_returned_is_written_over_by_the_next_run():
    """As CUDA graphs would; here by a run that always hands out the same tensors."""
    explainer = exportable(Normed().eval(), images=noise(1, 16, 16))
    once = explainer(noise(2, 16, 16))
    fast = Compiled(
        explainer,
        nn.Identity(),
        lambda images: [one.mul_(images.new_tensor(2)) for one in once],
        copies=True,
    )
    first = fast(noise(2, 16, 16))
    before = [one.clone() for one in first]
    fast(noise(2, 16, 16))
    assert all(torch.equal(one, two) for one, two in zip(first, before, strict=True))


@pytest.mark.slow
def test_no_graph_is_kept_and_none_is_needed():
    fast = compiled(exportable(Normed().eval(), images=noise(1, 16, 16)), backend=BACKEND)
    assert not any(one.requires_grad for one in fast(noise(2, 16, 16)))
    with torch.inference_mode():
        assert fast(noise(2, 16, 16))[1].isfinite().all()


@pytest.mark.slow
def test_what_it_was_not_made_for_is_told():
    net = Normed().eval()
    with pytest.raises(SurgeryError, match=r"Expected an explainer; got Normed. Make one"):
        compiled(net)
    with pytest.raises(
        ImageError, match=r"size \[16, 16\] that this explainer was made for; got \[20, 20\]"
    ):
        compiled(exportable(net, images=noise(1, 16, 16)), backend=BACKEND)(noise(2, 20, 20))
