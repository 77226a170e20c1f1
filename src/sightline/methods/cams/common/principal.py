"""What Eigen-CAM and its relatives share: singular vectors, and which way they point.

A singular vector is also an eigenvector of the smaller of $M M^T$ and $M^T M$. That matrix is small
(49 x 49 for a 7 x 7 grid, however many the channels), and for the *first* vector nothing is lost by
squaring: both errors are rounding divided by the gap to the second. All of it is done in float64.
"""

import torch
from jaxtyping import Float
from torch import Tensor

Matrices = Float[Tensor, "b n m"]
Symmetric = Float[Tensor, "b n n"]
Vectors = Float[Tensor, "b n"]


def first_right(matrices: Matrices) -> Float[Tensor, "b m"]:
    """The first right singular vector of each matrix `[b, n, m]`, of length 1, in float64.

    Of a matrix of zeros it is 0, of one that is not finite NaN. Its sign is not settled; where the
    first two singular values are equal, neither is its direction. It can be differentiated, also
    where columns are zero.

    >>> first_right(torch.tensor([[[3.0, 4.0], [6.0, 8.0]]])).abs()
    tensor([[0.6000, 0.8000]], dtype=torch.float64)
    """
    rows = precise(matrices)
    largest = rows.detach().abs().amax((1, 2), keepdim=True)
    bad = ~largest.isfinite()
    rows = rows.masked_fill(bad, 0) / largest.masked_fill(
        (largest == 0) | bad, 1
    )  # its square can be held
    wide = rows.shape[1] < rows.shape[2]
    gram = rows @ rows.mT if wide else rows.mT @ rows
    _, vector = leading(gram)
    turned = (rows.mT if wide else gram) @ vector.unsqueeze(2)
    length = turned.detach().norm(dim=1, keepdim=True)
    turned = turned / torch.where(length > 0, turned.norm(dim=1, keepdim=True), 1)
    return turned.squeeze(2).masked_fill(bad.squeeze(2), torch.nan)


def leading(gram: Symmetric) -> tuple[Float[Tensor, " b"], Vectors]:
    r"""The largest eigenvalue of each symmetric matrix, and its eigenvector.

    Torch differentiates eigenvectors all together, which gives NaN as soon as any two eigenvalues
    are equal, such as two zeros. Only the first is needed: $dv = (\lambda I - G)^+ \, dG \, v$.

    >>> leading(torch.tensor([[[2.0, 0.0], [0.0, 1.0]]]))[0]
    tensor([2.])
    """
    fixed = gram.detach()
    values, vectors = torch.linalg.eigh((fixed + fixed.mT) / 2)
    value, vector = values[:, -1], vectors[:, :, -1]
    if gram.requires_grad:
        gaps = value.unsqueeze(1) - values
        shares = torch.where(gaps > 1e-12 * value.abs().unsqueeze(1), 1 / gaps, 0).unsqueeze(2)
        moved = (gram @ vector.unsqueeze(2)).squeeze(2)
        value = value + _slope((vector * moved).sum(1))
        vector = vector + _slope(
            (vectors @ (shares * (vectors.mT @ moved.unsqueeze(2)))).squeeze(2)
        )
    return value, vector


def largest_is_positive(vectors: Vectors) -> Float[Tensor, "b 1"]:
    """1 or -1 for each vector `[b, n]`: what makes its element of largest magnitude positive.

    Of several that are equally large, up to rounding, the first.

    >>> largest_is_positive(torch.tensor([[1.0, -3.0], [0.0, 0.0]]))
    tensor([[-1.],
            [ 1.]])
    """
    sizes, last = vectors.detach().abs(), vectors.shape[1] - 1
    largest = sizes >= (1 - 1e-9) * sizes.amax(1, keepdim=True)
    at = (
        torch.arange(last + 1, device=sizes.device)
        .expand_as(sizes)
        .masked_fill(~largest, last)
        .amin(1, keepdim=True)
    )
    return torch.where(vectors.detach().gather(1, at) < 0, -1.0, 1.0).to(vectors.dtype)


def centred_rows(rows: Matrices) -> Matrices:
    """Rows less their mean. Where all are the same up to rounding they become zero, and not noise.

    >>> centred_rows(torch.tensor([[[1.0, 0.1], [3.0, 0.1]]]))
    tensor([[[-1.,  0.],
             [ 1.,  0.]]], dtype=torch.float64)
    """
    rows = precise(rows)
    found = rows - rows.mean(1, keepdim=True)
    rounding = (
        rows.shape[1] * torch.finfo(rows.dtype).eps * rows.detach().abs().amax(1, keepdim=True)
    )
    return found.masked_fill(found.detach().abs().amax(1, keepdim=True) <= rounding, 0)


def precise(tensor: Tensor) -> Tensor:
    """In float64, where the device has it."""
    return tensor.float() if tensor.device.type == "mps" else tensor.double()


def at_least_single(tensor: Tensor, like: Tensor) -> Tensor:
    """In the type of `like`, but not in half precision."""
    return tensor.to(torch.promote_types(like.dtype, torch.float32))


def _slope(tensor: Tensor) -> Tensor:
    """Nothing, with a derivative."""
    return tensor - tensor.detach()
