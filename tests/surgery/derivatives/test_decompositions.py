"""An operator in other operators is the operator."""

import pytest
import torch

from sightline.surgery.derivatives.decompositions import DECOMPOSED, FOR_JETS

X = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
COLUMN, VARIANCE = torch.arange(4.0).double(), torch.arange(1.0, 5.0).double()
MASK = torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

ARGUMENTS = {
    "glu": (X, 1),
    "native_layer_norm": (X, [3, 5], X[0, 0].clone(), X[0, 1].clone(), 1e-5),
    "native_batch_norm": (X, COLUMN, COLUMN + 1, COLUMN - 2, VARIANCE, False, 0.1, 1e-5),
    "view": (X, [2, 12, 5]),
    "_unsafe_view": (X, [2, 60]),
    "_reshape_alias": (X, [2, 60], [60, 1]),
    "hardsigmoid": (X * 3,),
    "hardtanh": (X, -0.5, 0.7),
    "_scaled_dot_product_flash_attention_for_cpu": (X, X + 1, X.sin()),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_it_gives_what_the_operator_gives(name):
    want = getattr(torch.ops.aten, name).default(*ARGUMENTS[name])
    found = DECOMPOSED[name](*ARGUMENTS[name])
    first = [one[0] if isinstance(one, tuple | list) else one for one in (found, want)]
    torch.testing.assert_close(first[0], first[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "options", [{"scale": 0.3}, {"attn_mask": MASK}, {"attn_mask": MASK, "scale": 2.0}], ids=str
)
def test_attention_with_options(options):
    name = "_scaled_dot_product_flash_attention_for_cpu"
    want = getattr(torch.ops.aten, name).default(X, X + 1, X.sin(), **options)[0]
    torch.testing.assert_close(DECOMPOSED[name](X, X + 1, X.sin(), **options), want)


def test_attention_that_looks_back_only():
    name = "_scaled_dot_product_flash_attention_for_cpu"
    want = getattr(torch.ops.aten, name).default(X, X, X, 0.0, True)[0]
    torch.testing.assert_close(DECOMPOSED[name](X, X, X, 0.0, True), want)


def test_batch_norm_of_a_batch():
    want = torch.ops.aten.native_batch_norm(X, COLUMN, None, None, None, True, 0.1, 1e-5)[0]
    found = DECOMPOSED["native_batch_norm"](X, COLUMN, None, None, None, True, 0.1, 1e-5)[0]
    torch.testing.assert_close(found, want, rtol=1e-10, atol=1e-12)


def test_the_efficient_attention_has_its_mask_among_the_arguments():
    found = DECOMPOSED["_scaled_dot_product_efficient_attention"](X, X + 1, X.sin(), MASK, False)
    flash = DECOMPOSED["_scaled_dot_product_flash_attention"](X, X + 1, X.sin(), attn_mask=MASK)
    assert torch.equal(found, flash)


def test_every_one_is_tested_here_or_is_another_ones_twin():
    twins = {
        "cudnn_batch_norm": "native_batch_norm",
        "_scaled_dot_product_flash_attention": "_scaled_dot_product_flash_attention_for_cpu",
    }
    for name, twin in twins.items():
        assert DECOMPOSED[name] is DECOMPOSED[twin]
    tested = {*ARGUMENTS, *twins, "_scaled_dot_product_efficient_attention"}
    assert tested == set(DECOMPOSED)
    assert set(FOR_JETS) < set(DECOMPOSED)
