"""Arrays and tensors, with the pixels they must become."""

import numpy as np
import pytest
import torch

from helpers.pictures import BLACK, WHITE, photograph, pixels
from sightline.errors import ImageError
from sightline.images import read


def test_arrays_of_every_layout() -> None:
    rgb = photograph()
    assert pixels(rgb) == rgb.tolist()
    assert pixels(rgb[::-1, ::2]) == rgb[::-1, ::2].tolist()  # a view, not contiguous
    assert pixels(rgb[..., 0]) == pixels(rgb[..., :1]) == rgb[..., [0, 0, 0]].tolist()
    assert pixels(np.array([[True, False]])) == [[WHITE, BLACK]]
    assert pixels(np.array([[[65535, 0, 129, 65535]]], np.uint16)) == [[[255, 0, 1]]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_float_arrays_are_rounded_to_8_bits(dtype: str) -> None:
    steps = np.arange(256)
    assert pixels((steps / 255)[None].astype(dtype)) == [[[v] * 3 for v in steps]]
    assert pixels(np.array([[[1, 0, 0.2, 0.5]]], dtype)) == pixels(
        np.array([[[255, 0, 51, 128]]], np.uint8)
    )


def test_rounding_errors_of_whoever_scaled_a_float_array_are_forgiven() -> None:
    assert pixels(np.array([[-1e-7, 1 + 1e-7]])) == [[BLACK, WHITE]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 255], r"came values from 0 to 255\. Divide by 255"),
        ([-1, 1], r"came values from -1 to 1\. Rescale it first"),
        ([-2.1, 2.6], r"came values from -2.1 to 2.6\. Rescale it first"),
        ([0, 1.001], r"came values from 0 to 1.001\."),
        ([-0.001, 1], r"came values from -0.001 to 1\."),
        ([0, float("nan")], r"came values from nan to nan"),
        ([0, float("inf")], r"came values from 0 to inf"),
    ],
)
def test_floats_outside_0_to_1_are_refused_with_their_range(
    values: list[float], message: str
) -> None:
    with pytest.raises(ImageError, match=r"the ndarray: expected floats in \[0, 1\]; " + message):
        read(np.array([values], float))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 8, 9), r"came shape \[3, 8, 9\]\. Channels come last: array.transpose\(1, 2, 0\)"),
        ((1, 8, 9), r"came shape \[1, 8, 9\]\. Channels come last"),
        (
            (2, 8, 9, 3),
            r"came shape \[2, 8, 9, 3\]\. It looks like a batch: give prepare \[b, h, w, 3\]",
        ),
        ((8, 9, 2), r"came shape \[8, 9, 2\]\. Bring height"),
        ((8, 9, 5), r"came shape \[8, 9, 5\]\. Bring height"),
        ((9,), r"came shape \[9\]\. Bring height"),
        ((1, 1, 2, 8, 9), r"came shape \[1, 1, 2, 8, 9\]\. Bring height"),
        ((), r"came shape \[\]\. Bring height"),
        ((0, 9, 3), r"with pixels; came shape \[0, 9, 3\]"),
        ((8, 0), r"with pixels; came shape \[8, 0\]"),
    ],
)
def test_arrays_of_other_shapes_are_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ImageError, match=r"the ndarray: expected an array \[h, w\].*" + message):
        read(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    "dtype", ["int64", "int8", "uint32", "complex64", "object", "datetime64[s]"]
)
def test_arrays_of_other_types_are_refused(dtype: str) -> None:
    message = (
        r"expected an array of uint8, uint16, bool or float; came .* For values 0 to 255 give array"
    )
    with pytest.raises(ImageError, match=message) as error:
        read(np.zeros((2, 2), dtype))
    assert f"came {dtype}." in str(error.value)


def test_tensors() -> None:
    rgb = photograph()
    tensor = torch.from_numpy(rgb).permute(2, 0, 1)
    assert pixels(tensor) == pixels(tensor.contiguous()) == rgb.tolist()
    assert pixels(tensor[:1]) == rgb[..., [0, 0, 0]].tolist()
    clear = torch.zeros(1, *tensor.shape[1:], dtype=torch.uint8)
    assert pixels(torch.cat([tensor, clear])) == np.full_like(rgb, 255).tolist()


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (
            torch.zeros(3, 8, 9),
            r"came float32 of shape \[3, 8, 9\]\. A float tensor is taken for a model's",
        ),
        (torch.zeros(3, 8, 9, dtype=torch.int64), r"came int64 of shape \[3, 8, 9\]\..*\.byte\(\)"),
        (
            torch.zeros(8, 9, 3, dtype=torch.uint8),
            r"came uint8 of shape \[8, 9, 3\]\..*permute\(2, 0, 1\)",
        ),
        (
            torch.zeros(2, 3, 8, 9, dtype=torch.uint8),
            r"of shape \[2, 3, 8, 9\]\. It looks like a batch",
        ),
        (torch.zeros(8, 9, dtype=torch.uint8), r"of shape \[8, 9\]\. Bring colours"),
        (torch.zeros(3, 0, 9, dtype=torch.uint8), r"of shape \[3, 0, 9\]\. It has no pixels"),
    ],
    ids=lambda value: str(list(value.shape)) if isinstance(value, torch.Tensor) else "",
)
def test_other_tensors_are_refused(tensor: torch.Tensor, message: str) -> None:
    with pytest.raises(
        ImageError, match=r"the Tensor: expected a uint8 tensor \[1, h, w\].*" + message
    ):
        read(tensor)
