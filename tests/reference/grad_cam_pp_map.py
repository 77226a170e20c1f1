"""A whole Grad-CAM++ picture, slowly: eq. 19, eq. 20, enlargement, maximum 1."""

from torch import Tensor

from reference.combine import combine
from reference.grad_cam_pp import grad_cam_pp
from reference.image_map import image_map


def grad_cam_pp_map(
    activations: Tensor, gradients: Tensor, size: list[int], alpha: str = "paper"
) -> Tensor:
    return image_map(combine(grad_cam_pp(activations, gradients, alpha), activations), size)
