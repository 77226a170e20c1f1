"""The maps of a layer, listed by hand: each method's own name and its function."""

from collections.abc import Callable

from sightline.errors import MethodError, near
from sightline.methods.cams.ablation_cam import ablation_cam
from sightline.methods.cams.cam import cam
from sightline.methods.cams.eigen_cam import eigen_cam
from sightline.methods.cams.eigen_grad_cam import eigen_grad_cam
from sightline.methods.cams.elementwise_grad_cam import elementwise_grad_cam
from sightline.methods.cams.grad_cam import grad_cam
from sightline.methods.cams.grad_cam_plus import grad_cam_plus
from sightline.methods.cams.grad_cam_pp import grad_cam_pp
from sightline.methods.cams.grad_cam_pp_log_softmax import grad_cam_pp_log_softmax
from sightline.methods.cams.grad_cam_pp_sigmoid import grad_cam_pp_sigmoid
from sightline.methods.cams.grad_cam_pp_softmax import grad_cam_pp_softmax
from sightline.methods.cams.hires_cam import hires_cam
from sightline.methods.cams.is_cam import is_cam
from sightline.methods.cams.kpca_cam import kpca_cam
from sightline.methods.cams.layer_cam import layer_cam
from sightline.methods.cams.opti_cam import opti_cam
from sightline.methods.cams.score_cam import score_cam
from sightline.methods.cams.shapley_cam import shapley_cam
from sightline.methods.cams.smooth_grad_cam_pp import smooth_grad_cam_pp
from sightline.methods.cams.ss_cam import ss_cam
from sightline.methods.cams.xgrad_cam import xgrad_cam
from sightline.methods.catalogue import About, normalised
from sightline.methods.names import CAM_NAMES, SCORES
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


def about(name: str) -> About:
    """A method's title, paper and summary (the first paragraph of its docstring).

    >>> about("grad_cam").title, about("grad_cam").summary
    ('Grad-CAM', 'Weigh each channel by the mean of its gradients (Grad-CAM++ eq. 3).')
    """
    return CAM_NAMES.about(name)


def find(name: str, score: str | None = None) -> tuple[str, Callable[..., Weights]]:
    """The method people mean, with its proper name.

    Case, spaces, `-` and `_` do not matter; `++` reads `pp`, `+` reads `plus`. `score` picks the
    form of the score Grad-CAM++ explains: `exp` (the paper's), `softmax`, `log_softmax` or
    `sigmoid`. Raises `MethodError` for an unknown method or score, and for a score where the method
    has no such forms.

    >>> find("Grad-CAM++")[0], find("gradcam++", score="softmax")[0]
    ('grad_cam_pp', 'grad_cam_pp_softmax')
    """
    proper = CAM_NAMES.proper(name, METHODS)
    if proper is None:
        raise CAM_NAMES.unknown(name, METHODS)
    if score is not None:
        proper = _with_score(proper, score)
    return proper, METHODS[proper]


def _with_score(name: str, score: str) -> str:
    chosen = {normalised(form): method for form, method in SCORES.items()}.get(normalised(score))
    if chosen is None:
        raise MethodError(f"Expected a form of the score; came {score!r}. {near(score, SCORES)}")
    if name not in ("grad_cam_pp", chosen):
        raise MethodError(
            f"Only 'grad_cam_pp' has forms of the score; {name!r} was asked for with"
            f" score={score!r}. Leave the score out, or ask for 'grad_cam_pp'."
        )
    return chosen
