"""Is a batch norm the only operator that torch looks back through wrongly in some order in memory?

Each operator that vision networks are made of, for one picture, in every order in memory of what
enters and of what comes back: the derivative is that of the usual order. A newer torch that fails
here has a fault of the kind of `surgery/backward/batch_norm.py`, and needs a mend as there.
"""

from itertools import permutations, product

import pytest
import torch
import torch.nn.functional as F

from sightline.surgery.backward.batch_norm import derivatives

C = 4


def weights(*shape):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*shape, generator=generator, dtype=torch.double)


OPERATORS = {
    "convolution": lambda x: F.conv2d(x, weights(5, C, 3, 3), padding=1),
    "with strides": lambda x: F.conv2d(x, weights(5, C, 3, 3), stride=2, padding=1),
    "of single places": lambda x: F.conv2d(x, weights(5, C, 1, 1)),
    "depthwise": lambda x: F.conv2d(x, weights(C, 1, 3, 3), padding=1, groups=C),
    "grouped": lambda x: F.conv2d(x, weights(C, 2, 3, 3), padding=1, groups=2),
    "transposed": lambda x: F.conv_transpose2d(x, weights(C, 5, 3, 3), stride=2, padding=1),
    "linear": lambda x: F.linear(x.movedim(1, -1), weights(7, C)).movedim(-1, 1),
    "attention": lambda x: F.scaled_dot_product_attention(*[x.flatten(2).mT[:, None]] * 3),
    "batch norm": lambda x: F.batch_norm(x, weights(C), weights(C).abs() + 1, weights(C)),
    "instance norm": lambda x: F.instance_norm(x, weight=weights(C)),
    "group norm": lambda x: F.group_norm(x, 2, weights(C)),
    "layer norm": lambda x: F.layer_norm(x.movedim(1, -1), (C,), weights(C)).movedim(-1, 1),
    "rms norm": lambda x: F.rms_norm(x.movedim(1, -1), (C,), weights(C)).movedim(-1, 1),
    "response norm": lambda x: F.local_response_norm(x, 3),
    "normalize": lambda x: F.normalize(x, dim=1),
    "maxima": lambda x: F.max_pool2d(x, 3, 1, 1),
    "means": lambda x: F.avg_pool2d(x, 3, 1, 1),
    "mean": lambda x: F.adaptive_avg_pool2d(x, 1),
    "adaptive means": lambda x: F.adaptive_avg_pool2d(x, 2),
    "adaptive maxima": lambda x: F.adaptive_max_pool2d(x, 2),
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "hardswish": F.hardswish,
    "elu": F.elu,
    "mish": F.mish,
    "leaky relu": F.leaky_relu,
    "relu6": F.relu6,
    "hardsigmoid": F.hardsigmoid,
    "sigmoid": torch.sigmoid,
    "prelu": lambda x: F.prelu(x, weights(C)),
    "glu": lambda x: F.glu(x, 1),
    "softmax": lambda x: x.softmax(1),
    "log softmax": lambda x: x.log_softmax(-1),
    "largest": lambda x: x.amax(1),
    "variance": lambda x: torch.var_mean(x, 1)[0],
    "nearest": lambda x: F.interpolate(x, scale_factor=2),
    "bilinear": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "bicubic": lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"),
    "antialiased": lambda x: F.interpolate(x, size=(2, 2), mode="bilinear", antialias=True),
    "padded": lambda x: F.pad(x, (1, 2, 0, 1)),
    "repeated rim": lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"),
    "rolled": lambda x: torch.roll(x, 1, 2),
    "unfolded": lambda x: F.unfold(x, 3, padding=1),
    "pixels shuffled": lambda x: F.pixel_shuffle(x, 2),
}
SIDES = [(4, 3), (1, 4), (4, 1)]


def laid_out(values, order):
    """The same numbers, in memory by the axes in this order."""
    return values.permute(order).contiguous().permute([order.index(k) for k in range(values.ndim)])


def orders(axes):
    return [(0, *order) for order in permutations(range(1, axes))]


@pytest.mark.parametrize("name", OPERATORS)
def test_every_order_of_what_enters_and_of_what_comes_back(name):
    for sides in SIDES:
        x = weights(1, C, *sides) + 0.1
        leaf = x.clone().requires_grad_()
        out = OPERATORS[name](leaf)
        signal = weights(*out.shape).cos()
        want = derivatives(out, leaf, signal)
        for order, back in product(orders(x.ndim), orders(out.ndim)):
            leaf = laid_out(x, order).requires_grad_()
            again = OPERATORS[name](leaf)
            got = derivatives(again, leaf, laid_out(signal, back))
            torch.testing.assert_close(again, out, rtol=1e-9, atol=1e-11)
            torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-11)
