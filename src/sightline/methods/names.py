"""What every method is called, and what it does in one line: all that a list needs, without torch.

A test holds this table to the functions: the same names in the same order, the summary the first
line of the docstring. Pixel space and black boxes have such a table in their own rooms.
"""

from sightline.methods.blackbox.names import BLACK_BOX_NAMES
from sightline.methods.catalogue import About, Catalogue
from sightline.methods.pixel.names import PIXEL_NAMES, multiplied_cam

_CHATTOPADHAY = "Chattopadhay et al., Grad-CAM++, WACV 2018, arXiv:1710.11063"

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

SCORES = {
    "exp": "grad_cam_pp",
    "softmax": "grad_cam_pp_softmax",
    "log_softmax": "grad_cam_pp_log_softmax",
    "sigmoid": "grad_cam_pp_sigmoid",
}
"""Grad-CAM++ for each form of the score it explains; `exp` is the paper's choice."""

_LINES = (
    About(
        "cam",
        "CAM",
        "Weigh each channel by the row of the linear head that belongs to the explained class.",
        (
            "Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016, "
            "arXiv:1512.04150"
        ),
    ),
    About(
        "grad_cam",
        "Grad-CAM",
        "Weigh each channel by the mean of its gradients (Grad-CAM++ eq. 3).",
        "Selvaraju et al., Grad-CAM, ICCV 2017, arXiv:1610.02391",
    ),
    About(
        "grad_cam_pp",
        "Grad-CAM++",
        "Weigh each channel by its positive gradients, every position with its own alpha (eq. 5 "
        "and 19).",
        _CHATTOPADHAY,
    ),
    About(
        "grad_cam_pp_softmax",
        "Grad-CAM++ (softmax)",
        "Weigh as Grad-CAM++ does, for the softmax probability instead of exp(S) (eq. 5, 10 and "
        "21 to 24).",
        _CHATTOPADHAY,
    ),
    About(
        "grad_cam_pp_log_softmax",
        "Grad-CAM++ (log-softmax)",
        "Weigh as Grad-CAM++ does, for the log-probability instead of exp(S) (eq. 5 and 10).",
        _CHATTOPADHAY,
    ),
    About(
        "grad_cam_pp_sigmoid",
        "Grad-CAM++ (sigmoid)",
        "Weigh as Grad-CAM++ does, for Y = sigmoid(S) instead of exp(S) (eq. 5 and 10).",
        _CHATTOPADHAY,
    ),
    About(
        "grad_cam_plus",
        "Grad-CAM+",
        "Weigh each channel by the mean of its positive gradients.",
        (
            "Lerma and Lucas, Grad-CAM++ is Equivalent to Grad-CAM With Positive Gradients, "
            "arXiv:2205.10838"
        ),
    ),
    About(
        "xgrad_cam",
        "XGrad-CAM",
        "Weigh each channel by its gradients, averaged with the activations as weights.",
        "Fu et al., Axiom-based Grad-CAM, BMVC 2020, arXiv:2008.02312",
    ),
    About(
        "layer_cam",
        "Layer-CAM",
        "Weigh each position of each channel by its own positive gradient.",
        "Jiang et al., LayerCAM, IEEE Transactions on Image Processing 2021",
    ),
    About(
        "hires_cam",
        "HiResCAM",
        "Weigh each position of each channel by its own gradient.",
        (
            "Draelos and Carin, Use HiResCAM instead of Grad-CAM for faithful explanations, "
            "arXiv:2011.08891"
        ),
    ),
    About(
        "score_cam",
        "Score-CAM",
        "Weigh each channel by the score of the picture seen through it, as a softmax over the "
        "channels (Algorithm 1).",
        "Wang et al., Score-CAM, CVPR Workshops 2020, arXiv:1910.01279",
    ),
    About(
        "ss_cam",
        "SS-CAM",
        "Weigh each channel by its mean score over noisy versions of its mask, as a softmax.",
        "Wang et al., SS-CAM: Smoothed Score-CAM, arXiv:2006.14255",
    ),
    About(
        "is_cam",
        "IS-CAM",
        "Weigh each channel by its mean score along the straight way from nothing to its mask, "
        "as a softmax.",
        "Naidu et al., IS-CAM: Integrated Score-CAM, arXiv:2010.03023",
    ),
    About(
        "ablation_cam",
        "Ablation-CAM",
        "Weigh each channel by what the score loses when the channel is set to zero.",
        "Desai and Ramaswamy, Ablation-CAM, WACV 2020",
    ),
    About(
        "elementwise_grad_cam",
        "Element-wise Grad-CAM",
        "Weigh each place of each channel by its gradient, where gradient times activation is "
        "positive.",
        "pytorch-grad-cam (software), GradCAMElementWise, 2021",
    ),
    About(
        "shapley_cam",
        "Shapley-CAM",
        "Weigh each channel by the mean of its gradients less half of what they bend along the "
        "activations.",
        "Cai, CAMs as Shapley Value-based Explainers, arXiv:2501.06261",
    ),
    About(
        "eigen_grad_cam",
        "Eigen-Grad-CAM",
        "Weigh each place by its gradient and the channel's part in the first singular vector "
        "of gradient x activation.",
        "pytorch-grad-cam (software), EigenGradCAM, 2021; after arXiv:2008.00299",
    ),
    About(
        "eigen_cam",
        "Eigen-CAM",
        "Weigh each channel by its part in the activations' first singular vector: "
        "class-agnostic, no target is asked.",
        "Muhammad and Yeasin, Eigen-CAM, IJCNN 2020, arXiv:2008.00299",
    ),
    About(
        "kpca_cam",
        "KPCA-CAM",
        "Weigh so that the map is the places' first kernel principal component: class-agnostic, "
        "the target is not asked.",
        "Karmani et al., KPCA-CAM, MMSP 2024, arXiv:2410.00267",
    ),
    About(
        "smooth_grad_cam_pp",
        "Smooth Grad-CAM++",
        "Weigh each channel by its mean positive gradients over noisy pictures, alpha made of "
        "the means of their powers.",
        "Omeiza et al., Smooth Grad-CAM++, arXiv:1908.01224",
    ),
    About(
        "opti_cam",
        "Opti-CAM",
        "Weigh the channels so that the picture seen through their mixture scores highest.",
        "Zhang et al., Opti-CAM: Optimizing saliency maps for interpretability, arXiv:2301.07002",
    ),
)

CAM_NAMES = Catalogue("a method", _LINES, ALIASES)
"""The maps of a layer."""


def about_any(name: str) -> About:
    """What is said about a method of any kind. A guided product takes its title from its map.

    >>> about_any("RISE").paper, about_any("Guided Grad-CAM++").title
    ('Petsiuk et al., RISE, BMVC 2018, arXiv:1806.07421', 'Guided Grad-CAM++')
    """
    for family in (CAM_NAMES, BLACK_BOX_NAMES):
        if proper := family.proper(name):
            return family.entries[proper]
    cam = multiplied_cam(name)
    if cam is None:
        return PIXEL_NAMES.about(name)
    product, own = PIXEL_NAMES.entries["guided_cam"], CAM_NAMES.about(cam)
    return About(f"guided_{own.name}", f"Guided {own.title}", product.summary, product.paper)


def title_of(name: str) -> str:
    """A method's name as its paper writes it.

    >>> title_of("grad_cam_pp"), title_of("guided_grad_cam"), title_of("guided_backprop")
    ('Grad-CAM++', 'Guided Grad-CAM', 'Guided backpropagation')
    """
    return about_any(name).title


def summary_of(name: str) -> str:
    """What a method does, in one line.

    >>> summary_of("grad_cam")
    'Weigh each channel by the mean of its gradients (Grad-CAM++ eq. 3).'
    """
    return about_any(name).summary
