"""Positions read off a graph, against the pixels that autograd says a place is made of."""

from math import prod

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sightline.surgery.backward.batch_norm import derivatives
from sightline.surgery.place.structure import _RULES, Track, UnknownStep, tracks

SIZES = {1: (24,), 2: (24, 22), 3: (16, 14, 18)}
LARGE = {1: (48,), 2: (48, 46), 3: (24, 23, 25)}
"""So large that four places lie far from the rim behind a stride of three, too."""
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
BACK = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
TO_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
TO_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
AXES = [1, 2, 3]


def ramps(axes, size=None):
    """Two pictures, one rising and one falling: the maxima of a window lie at its both ends, and
    half way between them is its centre.
    """
    size = SIZES[axes] if size is None else size
    rising = torch.linspace(1, 2, prod(size), dtype=torch.double).view(1, 1, *size)
    weights = torch.tensor([1.0, 0.7, 1.3, 0.9], dtype=torch.double).view(1, 4, *[1] * axes)
    return [(rising * weights).requires_grad_(), ((3 - rising) * weights).requires_grad_()]


def seen_by(y, x, axes, place):
    """The pixels `[*s]` that a place of y is made of: |d/dx| of a mixture of its numbers."""
    numbers = y.movedim(list(axes), list(range(len(axes))))[place].flatten()
    mixture = torch.cos(torch.arange(1.0, len(numbers) + 1, dtype=torch.double))
    gradient = derivatives((numbers * mixture).sum(), x, retain_graph=True)
    return gradient.abs().sum((0, 1))


def centre(pixels, axis):
    """The centre of mass along an axis, where the first pixel has its centre at a half."""
    mass = pixels.movedim(axis, 0).flatten(1).sum(1) if pixels.ndim > 1 else pixels
    at = torch.arange(len(mass), dtype=torch.double) + 0.5
    return float((mass * at).sum() / mass.sum())


def middle(y, axes):
    """Four places in a row in the middle of the grid: whatever comes in turns of two or four."""
    first = [(y.shape[axis] - 4) // 2 for axis in axes]
    return [tuple(one + k for one in first) for k in range(4)]


def assert_tracked(f, axes, within=1e-9, grid=None, size=None):
    """The positions in the middle are those of the pixels: each `within`, all together exactly."""
    off = []
    for x in ramps(axes, size):
        y = f(x)
        own = list(range(2, 2 + axes)) if grid is None else grid
        (state,) = tracks(y, x, own)
        for place in middle(y, own):
            pixels = seen_by(y, x, own, place)
            assert float(pixels.sum()) > 0
            for k, track in zip(place, state, strict=True):
                assert track.low == track.high
                said = track.scale * (k + 0.5) + track.low
                off.append(centre(pixels, track.axis - 2) - said)
    off = torch.tensor(off, dtype=torch.double).view(2, 4, axes)
    # Of a maximum each picture shows one end of the window, the mean of both its centre.
    assert float(off.mean(0).abs().max()) <= within
    assert float(off.mean((0, 1)).abs().max()) <= 1e-9


def ones(*shape):
    return torch.ones(*shape, dtype=torch.double)


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
    by_itself = {name for name, rule in _RULES.items() if rule is _RULES["Add"]}
    assert by_itself == EACH.keys() | ELSEWHERE | IN_GROUPS


def assert_most_of(f, axes):
    """The pixel that a place is made of most is the one that is tracked: the rest is spread."""
    x = ramps(axes)[0]
    x = torch.cos(torch.arange(x.numel(), dtype=torch.double) ** 1.5).view(x.shape)
    x.requires_grad_()
    y = f(x)
    states = tracks(y, x, range(2, 2 + axes))
    assert len(states) == 1
    for place in middle(y, range(2, 2 + axes)):
        pixels = seen_by(y, x, range(2, 2 + axes), place)
        at = torch.unravel_index(pixels.argmax(), pixels.shape)
        for k, track, pixel in zip(place, states[0], at, strict=True):
            assert track.low == track.high
            assert track.scale * (k + 0.5) + track.low == int(pixel) + 0.5


def gated(x):
    """Squeeze and excitation: a number for each channel, made of all places."""
    pooled = x.mean(tuple(range(2, x.ndim)), keepdim=True)
    return x.flip(-1) * (2 * pooled).sigmoid()


@pytest.mark.parametrize("axes", AXES)
def test_what_is_the_same_for_all_places_moves_none(axes):
    assert_most_of(gated, axes)
    assert_most_of(lambda x: F.group_norm(x, 2), axes)
    assert_most_of(lambda x: F.group_norm(x.flip(2), 4), axes)
    assert_most_of(lambda x: F.instance_norm(x), axes)


@pytest.mark.parametrize("axes", AXES)
def test_a_residual_block(axes):
    weight = ones(4, 4, *[3] * axes)
    assert_tracked(lambda x: x + CONV[axes](x, weight, None, 1, 1), axes)
    strided, short = ones(4, 4, *[3] * axes), ones(4, 4, *[2] * axes)
    # The usual two: a kernel of 3 and a rim of 1, and a pool of 2 by 2, are half a pixel apart.
    x = ramps(axes)[0]
    y = CONV[axes](x, strided, None, 2, 1) + CONV[axes](x, short, None, 2)
    (state,) = tracks(y, x, range(2, 2 + axes))
    assert [(one.scale, one.low, one.high) for one in state] == [(2.0, -0.5, 0.0)] * axes


@pytest.mark.parametrize("axes", AXES)
def test_a_chain(axes):
    weight, back = ones(4, 4, *[3] * axes), ones(4, 4, *[2] * axes)

    def chain(x):
        x = F.relu(CONV[axes](F.pad(x, [0, 1] * axes), weight, None, 2))
        x = MAX[axes](x, 3, 1, 1).flip(2)
        x = BACK[axes](x, back, None, 2)
        return x.movedim(1, -1)[:, 1:].movedim(-1, 1)

    assert_tracked(chain, axes, within=1.01)


def test_two_ways_of_different_offsets_leave_it_uncertain():
    x = ramps(2)[0]
    moved = F.pad(x, (3, 0))[..., :-3]  # three pixels to the right
    (state,) = tracks(x + moved, x, (2, 3))
    assert state == (Track(2), Track(3, 1.0, -3.0, 0.0))
    (state,) = tracks(F.avg_pool2d((x + moved).flip(3), 2), x, (2, 3))
    assert state == (Track(2, 2.0), Track(3, -2.0, 19.0, 22.0))


def test_ways_that_are_essentially_others_stay_apart():
    x = ramps(2, (12, 12))[0]
    found = tracks(x + x.flip(3) + x.transpose(2, 3), x, (2, 3))
    want = [(Track(2), Track(3)), (Track(2), Track(3, -1.0, 12.0, 12.0)), (Track(3), Track(2))]
    assert sorted(found, key=repr) == sorted(want, key=repr)


def test_no_way_to_the_picture():
    x, other = ramps(2)
    assert tracks(F.relu(other), x, (2, 3)) == []
    assert tracks(x, x, (2, 3)) == [(Track(2), Track(3))]


def test_what_is_no_picture_is_not_followed():
    """Weights that want derivatives lie on no grid, nor does what is made of them."""
    x = ramps(2)[0]
    conv = nn.Conv2d(4, 4, 3, padding=1).double()
    norm = nn.BatchNorm2d(4).double().eval()
    gain = torch.rand(4, 1, dtype=torch.double, requires_grad=True).sort(0)[0].view(4, 1, 1)
    y = gain * norm(conv(x))
    assert tracks(y, x, (2, 3)) == [(Track(2), Track(3))]


class Flip(torch.autograd.Function):
    """Of somebody's own, and called as one of torch's."""

    @staticmethod
    def forward(ctx, x):
        return x.flip(2)

    @staticmethod
    def backward(ctx, gradient):
        return gradient.flip(2)


def mixed_by_its_own(x):
    """A matrix that was made of the picture: which of its rows are places, nobody knows."""
    return x.permute(0, 2, 3, 1).contiguous() @ x.mean((2, 3)).T @ x.mean((2, 3))


def attended(x):
    tokens = x.flatten(2).transpose(1, 2)
    return F.scaled_dot_product_attention(tokens, tokens, tokens).transpose(1, 2).view(x.shape)


UNKNOWN = {
    "rolled": lambda x: x.roll(3, 2),
    "sorted": lambda x: x.sort(2)[0],
    "picked": lambda x: x[:, :, torch.arange(15, -1, -1)],
    "softmax over places": lambda x: x.softmax(3),
    "softmax over all": lambda x: x.flatten(2).softmax(2).view(x.shape),
    "mixed by a product in front": lambda x: torch.eye(16).double() @ x,
    "mixed by a product behind": lambda x: x @ torch.eye(14).double(),
    "mixed by a layer": lambda x: F.linear(x, torch.eye(14).double()),
    "normed over places": lambda x: F.layer_norm(x, (14,)),
    "normed over all": lambda x: F.layer_norm(x, x.shape[1:]),
    "side by side": lambda x: torch.cat([x[:, :, 8:], x[:, :, :8]], 2),
    "cut in two": lambda x: x.split(8, 2)[1],
    "attention": attended,
    "a matrix of the picture's own": lambda x: mixed_by_its_own(x).permute(0, 3, 1, 2),
    "somebody's own operator": Flip.apply,
    "as one row": lambda x: x.flatten(2).flip(2).view(x.shape),
    "spread": lambda x: x.mean(2, keepdim=True).expand(-1, -1, 16, -1),
    "turned": lambda x: x.rot90(2, (2, 3)),
    "blocks to channels and back": lambda x: F.pixel_shuffle(F.pixel_unshuffle(x, 2), 2),
    "wrapped round": lambda x: F.pad(x, (1, 1, 1, 1), "circular")[..., 1:-1, 1:-1],
    "summed up": lambda x: x.cumsum(2),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_may_move_places_is_not_read_off(name):
    x = torch.rand(1, 3, 16, 14, dtype=torch.double, requires_grad=True)
    with pytest.raises(UnknownStep):
        tracks(UNKNOWN[name](x), x, (2, 3))
