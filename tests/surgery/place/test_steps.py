"""What each operator does to positions, against the pixels that autograd says they are made of."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.tracked import (
    AVG,
    AXES,
    BACK,
    CONV,
    LARGE,
    LINEAR,
    MAX,
    SIZES,
    TO_AVG,
    TO_MAX,
    assert_tracked,
    ones,
    ramps,
)
from sightline.surgery.place.steps import RULES, Track
from sightline.surgery.place.structure import tracks


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation"),
    [(1, 0, 1), (2, 1, 2), (3, 2, 1), (1, 2, 2)],
)
def test_a_convolution(axes, kernel, stride, padding, dilation):
    weight = ones(3, 4, *[kernel] * axes)
    assert_tracked(
        lambda x: CONV[axes](x, weight, None, stride, padding, dilation), axes, size=LARGE[axes]
    )


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate"])
@pytest.mark.parametrize("axes", AXES)
def test_a_convolution_that_pads_by_itself(axes, mode):
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    net = kind(4, 3, 3, stride=2, padding=1, padding_mode=mode).double().requires_grad_(False)
    net.weight.fill_(1)
    assert_tracked(net, axes)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("kernel", [3, 4])
def test_a_convolution_that_keeps_the_size(kernel):
    """An even kernel is padded more at the end."""
    weight = ones(3, 4, kernel, kernel)
    assert_tracked(lambda x: F.conv2d(x, weight, padding="same"), 2)


@pytest.mark.parametrize("axes", AXES)
def test_each_axis_has_its_own_kernel_and_stride(axes):
    kernel, stride, padding = (3, 4, 2)[:axes], (2, 1, 3)[:axes], (0, 2, 1)[:axes]
    weight = ones(3, 4, *kernel)
    assert_tracked(lambda x: CONV[axes](x, weight, None, stride, padding), axes)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "more", "dilation"),
    [(2, 2, 0, 0, 1), (3, 1, 1, 0, 1), (4, 2, 1, 0, 1), (3, 2, 1, 1, 1), (3, 1, 0, 0, 2),
     (4, 4, 0, 0, 1)],
)  # fmt: skip
def test_a_transposed_convolution(axes, kernel, stride, padding, more, dilation):
    """Each place is made of one pixel or two; over as many places as a stride they even out."""
    weight = ones(4, 3, *[kernel] * axes)
    assert_tracked(
        lambda x: BACK[axes](x, weight, None, stride, padding, more, 1, dilation), axes, within=0.51
    )


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [(2, None, 0, 1), (3, 2, 1, 1), (3, 1, 1, 2), (4, 3, 2, 1)],
)
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_pools(axes, kernel, stride, padding, dilation, ceil_mode):
    size = LARGE[axes]
    assert_tracked(
        lambda x: MAX[axes](x, kernel, stride, padding, dilation, ceil_mode), axes, size=size
    )
    if dilation == 1:
        assert_tracked(lambda x: AVG[axes](x, kernel, stride, padding, ceil_mode), axes, size=size)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("size", [8, 10])
def test_pools_to_a_size(axes, size):
    """Windows of 2 or 3 pixels in turn, where the sizes do not divide: half a pixel apart."""
    own = (size,) * axes
    within = 1e-9 if size == 8 else 0.5
    assert_tracked(lambda x: TO_AVG[axes](x, 4), axes, within, size=own)
    if axes in TO_MAX:
        assert_tracked(lambda x: TO_MAX[axes](x, 4), axes, within, size=own)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("factor", [2, 4])
def test_enlarged(axes, factor):
    def larger(mode, **how):
        return lambda x: F.interpolate(x, scale_factor=factor, mode=mode, **how)

    assert_tracked(larger("nearest"), axes, within=0.5)
    assert_tracked(larger(LINEAR[axes]), axes)
    assert_tracked(larger(LINEAR[axes], align_corners=True), axes)
    if axes == 2:
        assert_tracked(larger("nearest-exact"), axes, within=0.5)
        assert_tracked(larger("bicubic"), axes, within=0.5)
        assert_tracked(larger("bilinear", antialias=True), axes)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize(("before", "after"), [(24, 12), (24, 8), (24, 6), (12, 8), (20, 8)])
def test_made_smaller(axes, before, after):
    """The nearest pixel is the first of the block, not the middle one."""
    own = (before,) * axes
    mode = LINEAR[axes]
    assert_tracked(lambda x: F.interpolate(x, [after] * axes), axes, within=0.51, size=own)
    assert_tracked(lambda x: F.interpolate(x, [after] * axes, mode=mode), axes, size=own)
    assert_tracked(
        lambda x: F.interpolate(x, [after] * axes, mode=mode, align_corners=True), axes, size=own
    )
    if axes == 2:
        assert_tracked(
            lambda x: F.interpolate(x, [after] * axes, mode="bilinear", antialias=True),
            axes, within=0.3, size=own,
        )  # fmt: skip


@pytest.mark.parametrize("axes", AXES)
def test_a_factor_that_does_not_fit_the_sizes(axes):
    """Torch goes by the factor: the last of 23 pixels are left out, or not."""

    def smaller(x, **how):
        return F.interpolate(x, scale_factor=0.4, mode=LINEAR[axes], **how)

    own = (23,) * axes
    assert_tracked(smaller, axes, size=own)
    assert_tracked(lambda x: smaller(x, recompute_scale_factor=True), axes, size=own)
    x = ramps(axes, own)[0]
    (by_factor,), (by_size,) = (
        tracks(y, x, range(2, 2 + axes))
        for y in (smaller(x), smaller(x, recompute_scale_factor=True))
    )
    assert [track.scale for track in by_factor] == [2.5] * axes
    assert [track.scale for track in by_size] == pytest.approx([23 / 9] * axes)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
@pytest.mark.parametrize("pad", [(3, 0, 1, 2, 4, 1), (-3, 0, -1, -2, 0, -4), (2, -4, -3, 1, 1, 1)])
def test_pads_and_crops(axes, mode, pad):
    if mode == "replicate" and min(pad) < 0:
        # torch knows no crop in this mode; the two others have it
        pad = tuple(map(abs, pad))
    assert_tracked(lambda x: F.pad(x, pad[: 2 * axes], mode), axes)


@pytest.mark.parametrize("axes", AXES)
def test_mirrored(axes):
    for some in ([2], [-1], list(range(2, 2 + axes))):
        assert_tracked(lambda x, some=some: x.flip(some), axes)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize(
    "cut", [slice(3, None), slice(-9, None), slice(-9, -3), slice(2, None, 2), slice(-100, None),
            slice(1, 14, 3), slice(-13, -1, 2)],
)  # fmt: skip
def test_cut_out(axes, cut):
    for axis in range(2, 2 + axes):
        where = (slice(None),) * axis + (cut,)
        assert_tracked(lambda x, where=where: x[where], axes)
    assert_tracked(lambda x: x[:, 1:3], axes)  # of channels, which moves nothing


@pytest.mark.parametrize("axes", AXES)
def test_one_step_is_cut_off_every_axis_in_turn(axes):
    assert_tracked(lambda x: x.narrow(2, 3, 10).narrow(1 + axes, 1, 9), axes)


@pytest.mark.parametrize("axes", AXES)
def test_channels_put_together_and_taken_apart(axes):
    assert_tracked(lambda x: torch.cat([x, 2 * x[:, :1]], 1), axes)
    assert_tracked(lambda x: torch.cat(x.split(2, 1)[::-1], 1), axes)
    assert_tracked(lambda x: x.split([1, 3], -1 - axes)[1], axes)
    assert_tracked(lambda x: x.unsafe_split(2, 1)[1], axes)
    assert_tracked(lambda x: torch.cat(x.chunk(4, 1)[1:], -1 - axes), axes)
    behind = list(range(1, 1 + axes))
    assert_tracked(lambda x: x.unbind(1)[2], axes, grid=behind)
    assert_tracked(lambda x: x.select(1, -1), axes, grid=behind)
    assert_tracked(lambda x: x[0, 2], axes, grid=list(range(axes)))
    assert_tracked(lambda x: torch.stack(x.unbind(1)[:2], 1), axes)
    assert_tracked(lambda x: torch.stack(x.unbind(1), -1), axes, grid=behind)
    assert_tracked(lambda x: torch.stack([x, x], 2), axes, grid=list(range(3, 3 + axes)))


@pytest.mark.parametrize("axes", AXES)
def test_axes_of_one(axes):
    assert_tracked(lambda x: x.unsqueeze(1), axes, grid=list(range(3, 3 + axes)))
    assert_tracked(lambda x: x.unsqueeze(-1), axes)
    behind, single = list(range(1, 1 + axes)), list(range(axes))
    assert_tracked(lambda x: x[:, :1].squeeze(1), axes, grid=behind)
    assert_tracked(lambda x: x.squeeze(1), axes)  # four channels: nothing is taken away
    assert_tracked(lambda x: x[:, :1].squeeze(), axes, grid=single)  # the one picture's axis, too
    assert_tracked(lambda x: x[:, :1].squeeze((0, 1)), axes, grid=single)
    assert_tracked(lambda x: x.unsqueeze(1).squeeze((0, 1, 2)), axes, grid=behind)


@pytest.mark.parametrize("axes", AXES)
def test_axes_in_another_order(axes):
    last, orders = list(range(1, 1 + axes)), [0, *range(2, 2 + axes), 1]
    assert_tracked(lambda x: x.permute(orders), axes, grid=last)
    assert_tracked(lambda x: x.movedim(1, -1).contiguous().movedim(-1, 1), axes)
    assert_tracked(lambda x: x.transpose(1, -1), axes, grid=[*range(2, 1 + axes), 1])
    if axes > 1:
        assert_tracked(lambda x: x.transpose(2, -1), axes)
        assert_tracked(lambda x: x.mT.flip(2), axes)
        x = ramps(axes)[0]
        (state,) = tracks(x.transpose(-1, -2), x, range(2, 2 + axes))
        assert [track.axis for track in state][-2:] == [1 + axes, axes]


@pytest.mark.parametrize("axes", AXES)
def test_regrouped_channels(axes):
    size = SIZES[axes]
    shuffled = list(range(3, 3 + axes))
    assert_tracked(lambda x: x.view(1, 2, 2, *size), axes, grid=shuffled)
    assert_tracked(
        lambda x: x.view(1, 2, 2, *size).transpose(1, 2).reshape(1, 4, *size), axes
    )  # as a shuffle of channels does it
    assert_tracked(lambda x: x.reshape(4, 1, *size), axes)
    assert_tracked(lambda x: x.flatten(0, 1), axes, grid=list(range(1, 1 + axes)))
    assert_tracked(
        lambda x: x.movedim(1, -1).contiguous().unflatten(-1, (2, 2)).flatten(-2),
        axes, grid=list(range(1, 1 + axes)),
    )  # fmt: skip


def test_a_grid_of_one_place_keeps_its_axes_in_a_view():
    """Axes of one place look alike: the last of them is not both."""
    x = torch.rand(1, 4, 6, 6, dtype=torch.double, requires_grad=True)
    y = F.avg_pool2d(x, 6).view(2, 2, 1, 1).view(1, 4, 1, 1)
    assert tracks(y, x, (2, 3)) == [(Track(2, 6.0), Track(3, 6.0))]


@pytest.mark.parametrize("axes", AXES)
def test_a_linear_layer_over_channels(axes):
    weight, bias = ones(5, 4), ones(5)
    last = list(range(1, 1 + axes))

    def channels_last(x):
        return x.movedim(1, -1).contiguous()

    assert_tracked(lambda x: F.linear(channels_last(x), weight, bias), axes, grid=last)
    assert_tracked(lambda x: F.linear(channels_last(x), weight), axes, grid=last)
    assert_tracked(lambda x: channels_last(x) @ weight.T, axes, grid=last)
    assert_tracked(
        lambda x: F.linear(F.linear(channels_last(x), weight).relu(), weight.T), axes, grid=last
    )


@pytest.mark.parametrize("axes", AXES)
def test_means_over_channels(axes):
    behind = list(range(1, 1 + axes))
    for reduce in (torch.mean, torch.sum, torch.amax):
        assert_tracked(lambda x, reduce=reduce: reduce(x, 1, keepdim=True), axes)
        assert_tracked(lambda x, reduce=reduce: reduce(x, (0, 1)), axes, grid=list(range(axes)))
        assert_tracked(lambda x, reduce=reduce: reduce(x, -1 - axes), axes, grid=behind)
    if axes == 3:  # over time: the two other axes stay
        x = ramps(3)[0]
        assert tracks(x.mean(2), x, (2, 3)) == [(Track(3), Track(4))]


@pytest.mark.parametrize("axes", AXES)
def test_a_layer_norm_over_channels(axes):
    last = list(range(1, 1 + axes))

    def normed(x):
        # Channels that go up and down: behind them the mixture has a derivative everywhere.
        wave = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.double)
        return F.layer_norm(x.movedim(1, -1) * wave, (4,))

    assert_tracked(normed, axes, grid=last)
    assert_tracked(lambda x: F.layer_norm(x.flip(2).movedim(1, -1), (4,)), axes, grid=last)


EACH = {
    "Add": lambda x: x + 1, "Sub": lambda x: x - x.mean(1, keepdim=True) * 0.1,
    "Rsub": lambda x: torch.rsub(x, 5), "Mul": lambda x: x * x, "Div": lambda x: x / 3,
    "Neg": lambda x: -x, "Abs": lambda x: x.abs(), "Exp": lambda x: x.exp(),
    "Log": lambda x: x.log(), "Sqrt": lambda x: x.sqrt(), "Rsqrt": lambda x: x.rsqrt(),
    "Pow": lambda x: x**3, "Clone": lambda x: x.clone(), "ToCopy": lambda x: x.float().double(),
    "Alias": lambda x: torch.ops.aten.alias(x), "Relu": lambda x: x.relu(),
    "Threshold": lambda x: F.threshold(x, 0.1, 0.1), "Hardtanh": lambda x: F.relu6(x),
    "Hardswish": lambda x: F.hardswish(x), "Hardsigmoid": lambda x: F.hardsigmoid(x),
    "Sigmoid": lambda x: x.sigmoid(), "Silu": lambda x: F.silu(x), "Gelu": lambda x: F.gelu(x),
    "Elu": lambda x: F.elu(x), "Celu": lambda x: F.celu(x),
    "LeakyRelu": lambda x: F.leaky_relu(x), "PreluKernel": lambda x: F.prelu(x, ones(1)),
    "Mish": lambda x: F.mish(x), "Softplus": lambda x: F.softplus(x), "Tanh": lambda x: x.tanh(),
    "Clamp": lambda x: x.clamp(0, 9), "ClampMin": lambda x: x.clamp_min(0),
    "ClampMax": lambda x: x.clamp_max(9),
    "NativeBatchNorm": lambda x: F.batch_norm(x, torch.zeros(4).double(), ones(4)),
    "NativeDropout": lambda x: torch.native_dropout(x, 0.0, True)[0],
    "Expand": lambda x: x[:, :1].expand(-1, 3, *x.shape[2:]),
    "Maximum": lambda x: torch.maximum(x, x * 0.5), "Minimum": lambda x: torch.minimum(x, x * 2),
}  # fmt: skip
ELSEWHERE = {"CudnnBatchNorm"}  # of other devices
IN_GROUPS = {"NativeGroupNorm"}  # below: a little of every place comes along


@pytest.mark.parametrize("name", EACH)
def test_each_number_by_itself(name):
    for axes in AXES:
        x = ramps(axes)[0]
        assert EACH[name](x).grad_fn.name().startswith(f"{name}Backward")
        assert_tracked(EACH[name], axes)
        assert_tracked(lambda x: EACH[name](x).flip(-1), axes)


def test_every_rule_for_numbers_by_themselves_was_tried():
    by_itself = {name for name, rule in RULES.items() if rule is RULES["Add"]}
    assert by_itself == EACH.keys() | ELSEWHERE | IN_GROUPS
