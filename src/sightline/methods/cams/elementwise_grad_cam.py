"""Element-wise Grad-CAM: only what speaks for the class, element by element."""

from sightline.types import Activations, Gradients, Weights


def elementwise_grad_cam(activations: Activations, gradients: Gradients) -> Weights:
    r"""Weigh each place of each channel by its gradient, where gradient times activation is
    positive.

    $$L_{ij} = \sum_k \mathrm{relu}(g^k_{ij} A^k_{ij}), \qquad
      w^k_{ij} = g^k_{ij} \text{ where } g^k_{ij} A^k_{ij} > 0, \text{ else } 0$$

    HiResCAM without what speaks against; there is no paper, it comes from the library
    pytorch-grad-cam. Behind a ReLU it is Layer-CAM. Behind layers of either sign it is not: there a
    negative gradient on a negative activation counts, too.

    Expects and returns `[b, c, *s]`.

    >>> import torch
    >>> A, g = torch.tensor([[[2.0, 2.0, -1.0]]]), torch.tensor([[[1.0, -3.0, -5.0]]])
    >>> elementwise_grad_cam(A, g)
    tensor([[[ 1.,  0., -5.]]])
    """
    return gradients.masked_fill(gradients * activations <= 0, 0)  # nan is not: it stays, and shows
