"""How near is near enough: helpers that raise, and never return a verdict."""

from torch import Tensor


def assert_relative(got: Tensor, want: Tensor, bar: float) -> None:
    """Every element within `bar` of what was wanted, relative to that element; zeros are met
    exactly.
    """
    _assert_comparable(got, want)
    apart = (got.double() - want.double()).abs()
    excess = apart - bar * want.double().abs()
    if not bool((excess <= 0).all()):
        worst = int(excess.argmax())
        raise AssertionError(
            f"{int((excess > 0).sum())} of {want.numel()} elements further than {bar:g} away, the"
            f" worst: got {got.flatten()[worst].item()!r}, wanted {want.flatten()[worst].item()!r}"
        )


def assert_near(got: Tensor, want: Tensor, bar: float) -> None:
    """The largest difference within `bar` of the largest element that was wanted."""
    _assert_comparable(got, want)
    scale = float(want.double().abs().max())
    assert scale > 0, "nothing to compare with: all that was wanted is zero"
    apart = float((got.double() - want.double()).abs().max()) / scale
    assert apart <= bar, f"largest difference {apart:.3g} of the largest element, allowed {bar:g}"


def _assert_comparable(got: Tensor, want: Tensor) -> None:
    assert got.shape == want.shape, f"shape {list(got.shape)}, wanted {list(want.shape)}"
    assert got.numel() > 0, "nothing to compare"
    assert bool(want.isfinite().all()), "what was wanted is not finite"
    assert bool(got.isfinite().all()), "what was got is not finite"
