"""The methods: each turns activations, gradients or a head into weights. One file each, listed here
by hand.

A method takes plain tensors with the names it needs and returns `[b, c, 1, ...]`, one weight a
channel, or `[b, c, *s]`, one a place. `combine` makes the map.
"""

from typing import TYPE_CHECKING

from sightline.supply import lazily as _lazily

if TYPE_CHECKING:
    from sightline.methods.cams.ablation_cam import ablation_cam as ablation_cam
    from sightline.methods.cams.cam import cam as cam
    from sightline.methods.cams.common.exact import EXACT as EXACT
    from sightline.methods.cams.common.tally import Tally as Tally
    from sightline.methods.cams.common.tally import ignore as ignore
    from sightline.methods.cams.eigen_cam import eigen_cam as eigen_cam
    from sightline.methods.cams.eigen_grad_cam import eigen_grad_cam as eigen_grad_cam
    from sightline.methods.cams.elementwise_grad_cam import (
        elementwise_grad_cam as elementwise_grad_cam,
    )
    from sightline.methods.cams.grad_cam import grad_cam as grad_cam
    from sightline.methods.cams.grad_cam_plus import grad_cam_plus as grad_cam_plus
    from sightline.methods.cams.grad_cam_pp import grad_cam_pp as grad_cam_pp
    from sightline.methods.cams.grad_cam_pp_log_softmax import (
        grad_cam_pp_log_softmax as grad_cam_pp_log_softmax,
    )
    from sightline.methods.cams.grad_cam_pp_sigmoid import (
        grad_cam_pp_sigmoid as grad_cam_pp_sigmoid,
    )
    from sightline.methods.cams.grad_cam_pp_softmax import (
        grad_cam_pp_softmax as grad_cam_pp_softmax,
    )
    from sightline.methods.cams.hires_cam import hires_cam as hires_cam
    from sightline.methods.cams.is_cam import is_cam as is_cam
    from sightline.methods.cams.kpca_cam import kpca_cam as kpca_cam
    from sightline.methods.cams.layer_cam import layer_cam as layer_cam
    from sightline.methods.cams.opti_cam import opti_cam as opti_cam
    from sightline.methods.cams.score_cam import score_cam as score_cam
    from sightline.methods.cams.shapley_cam import shapley_cam as shapley_cam
    from sightline.methods.cams.smooth_grad_cam_pp import smooth_grad_cam_pp as smooth_grad_cam_pp
    from sightline.methods.cams.ss_cam import ss_cam as ss_cam
    from sightline.methods.cams.xgrad_cam import xgrad_cam as xgrad_cam
    from sightline.methods.contents import METHODS as METHODS
    from sightline.methods.contents import about as about
    from sightline.methods.contents import find as find
    from sightline.methods.method import Kind as Kind
    from sightline.methods.method import Method as Method
    from sightline.methods.method import find_method as find_method
    from sightline.methods.names import ALIASES as ALIASES
    from sightline.methods.names import SCORES as SCORES

_WHERE = {
    "ALIASES": "sightline.methods.names",
    "EXACT": "sightline.methods.cams.common.exact",
    "Kind": "sightline.methods.method",
    "METHODS": "sightline.methods.contents",
    "Method": "sightline.methods.method",
    "SCORES": "sightline.methods.names",
    "Tally": "sightline.methods.cams.common.tally",
    "ablation_cam": "sightline.methods.cams.ablation_cam",
    "about": "sightline.methods.contents",
    "cam": "sightline.methods.cams.cam",
    "eigen_cam": "sightline.methods.cams.eigen_cam",
    "eigen_grad_cam": "sightline.methods.cams.eigen_grad_cam",
    "elementwise_grad_cam": "sightline.methods.cams.elementwise_grad_cam",
    "find": "sightline.methods.contents",
    "find_method": "sightline.methods.method",
    "grad_cam": "sightline.methods.cams.grad_cam",
    "grad_cam_plus": "sightline.methods.cams.grad_cam_plus",
    "grad_cam_pp": "sightline.methods.cams.grad_cam_pp",
    "grad_cam_pp_log_softmax": "sightline.methods.cams.grad_cam_pp_log_softmax",
    "grad_cam_pp_sigmoid": "sightline.methods.cams.grad_cam_pp_sigmoid",
    "grad_cam_pp_softmax": "sightline.methods.cams.grad_cam_pp_softmax",
    "hires_cam": "sightline.methods.cams.hires_cam",
    "ignore": "sightline.methods.cams.common.tally",
    "is_cam": "sightline.methods.cams.is_cam",
    "kpca_cam": "sightline.methods.cams.kpca_cam",
    "layer_cam": "sightline.methods.cams.layer_cam",
    "opti_cam": "sightline.methods.cams.opti_cam",
    "score_cam": "sightline.methods.cams.score_cam",
    "shapley_cam": "sightline.methods.cams.shapley_cam",
    "smooth_grad_cam_pp": "sightline.methods.cams.smooth_grad_cam_pp",
    "ss_cam": "sightline.methods.cams.ss_cam",
    "xgrad_cam": "sightline.methods.cams.xgrad_cam",
}

__all__ = [
    "ALIASES",
    "EXACT",
    "METHODS",
    "SCORES",
    "Kind",
    "Method",
    "Tally",
    "ablation_cam",
    "about",
    "cam",
    "eigen_cam",
    "eigen_grad_cam",
    "elementwise_grad_cam",
    "find",
    "find_method",
    "grad_cam",
    "grad_cam_plus",
    "grad_cam_pp",
    "grad_cam_pp_log_softmax",
    "grad_cam_pp_sigmoid",
    "grad_cam_pp_softmax",
    "hires_cam",
    "ignore",
    "is_cam",
    "kpca_cam",
    "layer_cam",
    "opti_cam",
    "score_cam",
    "shapley_cam",
    "smooth_grad_cam_pp",
    "ss_cam",
    "xgrad_cam",
]

_lazily(__name__)
