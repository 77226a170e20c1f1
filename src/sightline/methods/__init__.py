"""The methods: each turns activations, gradients or a head into weights. One file each, listed here
by hand.

A method takes plain tensors with the names it needs and returns `[b, c, 1, ...]`, one weight a
channel, or `[b, c, *s]`, one a place. `combine` makes the map.
"""

from collections.abc import Callable

from sightline.errors import MethodError, near
from sightline.methods.cams.ablation_cam import ablation_cam as ablation_cam
from sightline.methods.cams.cam import cam as cam
from sightline.methods.cams.common.exact import EXACT as EXACT
from sightline.methods.cams.common.tally import Tally as Tally
from sightline.methods.cams.common.tally import ignore as ignore
from sightline.methods.cams.eigen_cam import eigen_cam as eigen_cam
from sightline.methods.cams.eigen_grad_cam import eigen_grad_cam as eigen_grad_cam
from sightline.methods.cams.elementwise_grad_cam import elementwise_grad_cam as elementwise_grad_cam
from sightline.methods.cams.grad_cam import grad_cam as grad_cam
from sightline.methods.cams.grad_cam_plus import grad_cam_plus as grad_cam_plus
from sightline.methods.cams.grad_cam_pp import grad_cam_pp as grad_cam_pp
from sightline.methods.cams.grad_cam_pp_log_softmax import (
    grad_cam_pp_log_softmax as grad_cam_pp_log_softmax,
)
from sightline.methods.cams.grad_cam_pp_sigmoid import grad_cam_pp_sigmoid as grad_cam_pp_sigmoid
from sightline.methods.cams.grad_cam_pp_softmax import grad_cam_pp_softmax as grad_cam_pp_softmax
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
from sightline.methods.catalogue import Catalogue, Method, plain
from sightline.types import Weights

METHODS: dict[str, Callable[..., Weights]] = {
    "cam": cam,
    "grad_cam": grad_cam,
    "grad_cam_pp": grad_cam_pp,
    "grad_cam_pp_softmax": grad_cam_pp_softmax,
    "grad_cam_pp_log_softmax": grad_cam_pp_log_softmax,
    "grad_cam_pp_sigmoid": grad_cam_pp_sigmoid,
    "grad_cam_plus": grad_cam_plus,
    "xgrad_cam": xgrad_cam,
    "layer_cam": layer_cam,
    "hires_cam": hires_cam,
    "score_cam": score_cam,
    "ss_cam": ss_cam,
    "is_cam": is_cam,
    "ablation_cam": ablation_cam,
    "elementwise_grad_cam": elementwise_grad_cam,
    "shapley_cam": shapley_cam,
    "eigen_grad_cam": eigen_grad_cam,
    "eigen_cam": eigen_cam,
    "kpca_cam": kpca_cam,
    "smooth_grad_cam_pp": smooth_grad_cam_pp,
    "opti_cam": opti_cam,
}

SCORES = {
    "exp": "grad_cam_pp",
    "softmax": "grad_cam_pp_softmax",
    "log_softmax": "grad_cam_pp_log_softmax",
    "sigmoid": "grad_cam_pp_sigmoid",
}
"""Grad-CAM++ for each form of the score it explains; `exp` is the paper's choice."""

ALIASES = {
    "classactivationmap": "cam",
    "classactivationmapping": "cam",
    "gradcamplusplus": "grad_cam_pp",
    "gradcamppexp": "grad_cam_pp",
    "positivegradcam": "grad_cam_plus",
    "hires": "hires_cam",
    "layer": "layer_cam",
    "xgrad": "xgrad_cam",
    "score": "score_cam",
    "smoothscorecam": "ss_cam",
    "smoothedscorecam": "ss_cam",
    "integratedscorecam": "is_cam",
    "ablation": "ablation_cam",
    "gradcamelementwise": "elementwise_grad_cam",
    "shapley": "shapley_cam",
    "eigen": "eigen_cam",
    "kernelpcacam": "kpca_cam",
    "smoothgradcamplusplus": "smooth_grad_cam_pp",
    "opti": "opti_cam",
    "optimizedcam": "opti_cam",
}
"""Names that people use and that are not the method's own, however written: see `find`."""

_CHATTOPADHAY = "Chattopadhay et al., Grad-CAM++, WACV 2018, arXiv:1710.11063"
_TITLES = {
    "cam": (
        "CAM",
        (
            "Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016,"
            " arXiv:1512.04150"
        ),
    ),
    "grad_cam": ("Grad-CAM", "Selvaraju et al., Grad-CAM, ICCV 2017, arXiv:1610.02391"),
    "grad_cam_pp": ("Grad-CAM++", _CHATTOPADHAY),
    "grad_cam_pp_softmax": ("Grad-CAM++ (softmax)", _CHATTOPADHAY),
    "grad_cam_pp_log_softmax": ("Grad-CAM++ (log-softmax)", _CHATTOPADHAY),
    "grad_cam_pp_sigmoid": ("Grad-CAM++ (sigmoid)", _CHATTOPADHAY),
    "grad_cam_plus": (
        "Grad-CAM+",
        (
            "Lerma and Lucas, Grad-CAM++ is Equivalent to Grad-CAM With Positive Gradients,"
            " arXiv:2205.10838"
        ),
    ),
    "xgrad_cam": ("XGrad-CAM", "Fu et al., Axiom-based Grad-CAM, BMVC 2020, arXiv:2008.02312"),
    "layer_cam": (
        "Layer-CAM",
        "Jiang et al., LayerCAM, IEEE Transactions on Image Processing 2021",
    ),
    "hires_cam": (
        "HiResCAM",
        (
            "Draelos and Carin, Use HiResCAM instead of Grad-CAM for faithful explanations,"
            " arXiv:2011.08891"
        ),
    ),
    "score_cam": ("Score-CAM", "Wang et al., Score-CAM, CVPR Workshops 2020, arXiv:1910.01279"),
    "ss_cam": ("SS-CAM", "Wang et al., SS-CAM: Smoothed Score-CAM, arXiv:2006.14255"),
    "is_cam": ("IS-CAM", "Naidu et al., IS-CAM: Integrated Score-CAM, arXiv:2010.03023"),
    "smooth_grad_cam_pp": (
        "Smooth Grad-CAM++",
        "Omeiza et al., Smooth Grad-CAM++, arXiv:1908.01224",
    ),
    "opti_cam": (
        "Opti-CAM",
        "Zhang et al., Opti-CAM: Optimizing saliency maps for interpretability, arXiv:2301.07002",
    ),
    "ablation_cam": ("Ablation-CAM", "Desai and Ramaswamy, Ablation-CAM, WACV 2020"),
    "elementwise_grad_cam": (
        "Element-wise Grad-CAM",
        "pytorch-grad-cam (software), GradCAMElementWise, 2021",
    ),
    "shapley_cam": ("Shapley-CAM", "Cai, CAMs as Shapley Value-based Explainers, arXiv:2501.06261"),
    "eigen_grad_cam": (
        "Eigen-Grad-CAM",
        "pytorch-grad-cam (software), EigenGradCAM, 2021; after arXiv:2008.00299",
    ),
    "eigen_cam": ("Eigen-CAM", "Muhammad and Yeasin, Eigen-CAM, IJCNN 2020, arXiv:2008.00299"),
    "kpca_cam": ("KPCA-CAM", "Karmani et al., KPCA-CAM, MMSP 2024, arXiv:2410.00267"),
}


_CATALOGUE = Catalogue("a method", METHODS, ALIASES, _TITLES)


def about(name: str) -> Method:
    """A method's title, paper and one-line summary (the first line of its docstring).

    >>> about("grad_cam").title, about("grad_cam").summary
    ('Grad-CAM', 'Weigh each channel by the mean of its gradients (Grad-CAM++ eq. 3).')
    """
    return _CATALOGUE.about(find(name)[0])


def find(name: str, score: str | None = None) -> tuple[str, Callable[..., Weights]]:
    """The method people mean, with its proper name.

    Case, spaces, `-` and `_` do not matter; `++` reads `pp`, `+` reads `plus`. `score` picks the
    form of the score Grad-CAM++ explains: `exp` (the paper's), `softmax`, `log_softmax` or
    `sigmoid`. Raises `MethodError` for an unknown method or score, and for a score where the method
    has no such forms.

    >>> find("Grad-CAM++")[0], find("gradcam++", score="softmax")[0]
    ('grad_cam_pp', 'grad_cam_pp_softmax')
    """
    proper = _CATALOGUE.proper(name)
    if proper is None:
        raise _CATALOGUE.unknown(name)
    if score is not None:
        proper = _with_score(proper, score)
    return proper, METHODS[proper]


def _with_score(name: str, score: str) -> str:
    chosen = {plain(form): method for form, method in SCORES.items()}.get(plain(score))
    if chosen is None:
        raise MethodError(f"Expected a form of the score; came {score!r}. {near(score, SCORES)}")
    if name not in ("grad_cam_pp", chosen):
        raise MethodError(
            f"Only 'grad_cam_pp' has forms of the score; {name!r} was asked for with"
            f" score={score!r}. Leave the score out, or ask for 'grad_cam_pp'."
        )
    return chosen
