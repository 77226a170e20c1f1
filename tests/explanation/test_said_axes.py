"""`axes=`: where nothing tells how an input's axes are to be read, the user says it."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from helpers.axes_nets import pair as turned_pair
from helpers.said_axes import SAID, Patches, Steps, pair
from sightline import BLACKBOX, METHODS, PIXELSPACE, Protocol, evaluate, explain, exportable, layers
from sightline.errors import ImageError, SightlineError
from sightline.explanation.folder import explain_folder

OPTIONS = {"rise": {"masks": 20}, "lime": {"masks": 20}, "opti_cam": {"steps": 3}}


@pytest.mark.parametrize("axes", SAID)
@pytest.mark.parametrize("method", [*METHODS, *PIXELSPACE, *BLACKBOX])
def test_every_method_gives_the_map_of_the_twin(axes, method):
    net, x, twin, turned = pair(axes)
    options = OPTIONS.get(method, {})
    try:
        want = explain(twin, turned, 1, method, **options)
    except SightlineError as error:  # what the twin's axes are too few or too many for
        with pytest.raises(type(error)):
            explain(net, x, 1, method, axes=axes, **options)
        return
    got = explain(net, x, 1, method, axes=axes, **options)
    assert got.layer == want.layer
    torch.testing.assert_close(got.maps, want.maps, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(got.images, want.images)


@pytest.mark.parametrize("axes", SAID)
def test_nothing_would_tell_it(axes):
    net, x, twin, turned = pair(axes)
    wrong = explain(net, x, 1, "gradient")
    assert wrong.maps.shape != explain(twin, turned, 1, "gradient").maps.shape


@pytest.mark.parametrize("axes", SAID)
def test_the_place_is_confirmed(axes):
    net, x, _, _ = pair(axes)
    e = explain(net, x, 1, "grad_cam", axes=axes)
    assert e.provenance["layer"]["place"]["outcome"] == "confirmed"
    assert e.maps.shape[1:] == x.shape[1:-1]


def test_as_many_hidden_channels_as_steps_are_told_apart():
    """A linear layer works along the last axis, whatever the sizes."""
    net, x, _, _ = pair("b steps c")
    e, held = explain(net, x, 1, "grad_cam", axes="b steps c"), []
    assert e.layer == "last"
    net.last.register_forward_hook(lambda _, __, out: held.append(out.detach()))
    net(x)
    weights = net.head.weight[1] / 12
    torch.testing.assert_close(e.coarse, (held[0] * weights).sum(-1).detach())


def test_what_is_said_counts_more_than_what_a_convolution_says():
    net, x, _, _ = turned_pair("as many rows as colours")
    assert explain(net, x, 1, axes="b h w c").maps.shape == (2, 4, 8)
    assert explain(net, x, 1, "gradient", axes="b c h w").maps.shape == (2, 8, 4)


def test_what_was_found_for_one_reading_is_not_taken_for_another():
    net, x = Steps(12, 12).double().eval(), torch.rand(1, 12, 12).double()
    first, last = (explain(net, x, 1, "gradient", axes=one) for one in ("b c s", "b s c"))
    torch.testing.assert_close(first.pixels, last.pixels.transpose(1, 2))
    again = explain(net, x, 1, "grad_cam", axes="b s c")
    assert again.provenance["layer"]["place"]["outcome"] == "confirmed"
    assert again.provenance["input"]["shape"] == [1, 12, 12]


@pytest.mark.parametrize(
    ("axes", "wrong"),
    [
        ("b c", "'b c' has 2 words for an input of 3 axes, (2, 12, 5)"),
        ("b t c h", "has 4 words"),
        ("b c c", "names 'c' twice"),
        ("b t t", "names 't' twice"),
        ("t b c", "does not begin with the batch"),
        ("n t c", "does not begin with the batch"),
        ("b t h", "names no channels"),
        ("", "has 0 words"),
        (("b", "t", "c"), "Expected axes as a text"),
    ],
)
@pytest.mark.parametrize("method", ["grad_cam", "gradient", "rise"])
def test_words_that_do_not_fit(axes, wrong, method):
    net, x, _, _ = pair("b steps c")
    with pytest.raises(ImageError) as caught:
        explain(net, x, 1, method, axes=axes)
    assert wrong in str(caught.value)
    assert "axes='b steps c'" in str(caught.value)


def test_a_tuple_and_a_mapping():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Steps()

        def forward(self, signal, share):
            return self.net(signal) * share

    net, (_, x, twin, turned) = Two().double().eval(), pair("b steps c")
    share = torch.ones(2, 1).double()
    want = explain(twin, turned, 1, ["grad_cam", "gradient", "rise"], masks=20)
    for given in ((x, share), {"signal": x, "share": share}):
        got = explain(net, given, 1, ["grad_cam", "gradient", "rise"], axes="b t c", masks=20)
        for name, one in want.items():
            torch.testing.assert_close(got[name].maps, one.maps, rtol=1e-6, atol=1e-9)


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "pictures" / "one.png"
    path.parent.mkdir()
    numbers = np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(numbers).save(path)
    return path


def test_photographs_come_in_the_order_that_is_said(photograph, tmp_path):
    net, twin = Patches().eval(), Patches(channels_first=True).eval()
    from sightline.types import Preprocess

    small = Preprocess(resize=None, crop=None)
    got, want = (
        explain(net, photograph, 1, preprocess=small, axes="b h w c"),
        explain(twin, photograph, 1, preprocess=small),
    )
    torch.testing.assert_close(got.maps, want.maps)
    torch.testing.assert_close(got.images, want.images)
    done = explain_folder(
        net, photograph.parent, tmp_path / "out", target=1, preprocess=small, axes="b h w c"
    )
    assert len(done.done) == 1


@pytest.mark.parametrize("metrics", ["faithfulness", "sensitivity", "road"])
def test_what_is_measured(metrics):
    net, x, twin, turned = pair("b h w c")
    found = [
        evaluate(model, [(pictures, torch.tensor([0, 2]))], ["grad_cam", "gradient"], metrics,
                 protocol=Protocol(axes=axes), progress=False)
        for model, pictures, axes in ((net, x, "b h w c"), (twin, turned, None))
    ]  # fmt: skip
    names = found[0].rows.column_names
    for name in set(names) - {"source", "message", "layer", "tags"}:
        for got, want in zip(*(one.column(name) for one in found), strict=True):
            if isinstance(got, float):
                np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9, err_msg=name)


def test_a_protocol_without_the_word_is_what_it_was():
    assert "axes" not in Protocol().as_dict()
    assert Protocol.from_dict(Protocol(axes="b t c").as_dict()).axes == "b t c"
    assert Protocol(axes="b t c").digest != Protocol().digest


def test_the_list_of_layers():
    net, x, _, _ = pair("b steps c")
    assert {row.grid.kind for row in layers(net, x, axes="b steps c")} == {"channels last"}


@pytest.mark.parametrize("said", [None, "b h w c"])
def test_an_explainer(said):
    """Where a convolution tells it, too: its maps had the size of a column and the colours."""
    net, x, twin, turned = pair("b h w c") if said else turned_pair("height, width, colours")
    outputs, maps = exportable(net, images=x, axes=said)(x)
    torch.testing.assert_close(outputs, net(x))
    torch.testing.assert_close(maps, explain(twin, turned).maps)
    with pytest.raises(SightlineError, match="any_size"):
        exportable(net, images=x, axes=said, any_size=True)
