"""The table of contents is complete, and finds what people mean."""

import inspect
import re
from pathlib import Path

import pytest

from helpers.docstrings import first_paragraph
from sightline import methods
from sightline.errors import MethodError, SightlineError
from sightline.methods import ALIASES, METHODS, SCORES, about, find
from sightline.methods.catalogue import normalised
from sightline.supply import options, requests

WORDS = {
    "activations",
    "gradients",
    "class_gradients",
    "head",
    "probabilities",
    "explained",
    "scores",
    "rescore",
    "look",
    "look_back",
    "noisy_gradients",
    "second_order",
}
"""What a method may ask for."""


def test_every_file_is_listed_and_everything_listed_has_a_file():
    files = {path.stem for path in (Path(methods.__file__).parent / "cams").glob("*.py")}
    assert files - {"__init__"} == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_file_function_and_name_are_one(name):
    function = METHODS[name]
    assert function.__name__ == name
    assert function.__module__ == f"sightline.methods.cams.{name}"
    assert getattr(methods, name) is function


@pytest.mark.parametrize("name", METHODS)
def test_a_method_asks_with_known_words_and_its_options_are_given_by_name(name):
    assert set(requests(METHODS[name])) <= WORDS
    known = {
        "alpha",
        "guard",
        "tally",
        "form",
        "top",
        "at_once",
        "steps",
        "samples",
        "std",
        "seed",
        "lr",
    }
    known |= {"centred", "kernel", "gamma", "utility"}
    assert set(options(METHODS[name])) <= known
    for parameter in inspect.signature(METHODS[name]).parameters.values():
        assert (parameter.kind is parameter.KEYWORD_ONLY) == (
            parameter.default is not parameter.empty
        )


@pytest.mark.parametrize("name", METHODS)
def test_a_docstring_has_a_summary_a_formula_and_an_example(name):
    assert re.fullmatch(r"Weigh [^.]*(\.[^.]+)*\.", first_paragraph(METHODS[name]))
    text = inspect.getdoc(METHODS[name])
    assert text.count("$$") >= 2
    assert ">>> " in text


@pytest.mark.parametrize("name", METHODS)
def test_about_says_title_paper_and_summary(name):
    said = about(name)
    assert said.name == name
    assert said.summary == first_paragraph(METHODS[name])
    assert re.search(r"(19|20)\d\d|arXiv:\d{4}\.\d{5}", said.paper)
    assert find(said.title)[0] == name, "the title in print finds the method"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("grad_cam_pp", "grad_cam_pp"),
        ("gradcam++", "grad_cam_pp"),
        ("Grad-CAM++", "grad_cam_pp"),
        ("GRAD CAM ++", "grad_cam_pp"),
        ("GradCAMpp", "grad_cam_pp"),
        ("grad-cam-plus-plus", "grad_cam_pp"),
        ("GradCAMPlusPlus", "grad_cam_pp"),
        ("gradcamplusplus", "grad_cam_pp"),
        ("Grad-CAM+", "grad_cam_plus"),
        ("gradcam+", "grad_cam_plus"),
        ("gradcam_plus", "grad_cam_plus"),
        ("Grad-CAM", "grad_cam"),
        ("GradCAM", "grad_cam"),
        ("gradcam", "grad_cam"),
        ("CAM", "cam"),
        ("HiResCAM", "hires_cam"),
        ("hirescam", "hires_cam"),
        ("HiRes-CAM", "hires_cam"),
        ("LayerCAM", "layer_cam"),
        ("Layer-CAM", "layer_cam"),
        ("XGrad-CAM", "xgrad_cam"),
        ("XGradCAM", "xgrad_cam"),
        ("grad_cam_pp_softmax", "grad_cam_pp_softmax"),
        ("Grad-CAM++ (log-softmax)", "grad_cam_pp_log_softmax"),
        ("ScoreCAM", "score_cam"),
        ("Score-CAM", "score_cam"),
        ("SS-CAM", "ss_cam"),
        ("SSCAM", "ss_cam"),
        ("Smoothed Score-CAM", "ss_cam"),
        ("ISCAM", "is_cam"),
        ("Integrated Score-CAM", "is_cam"),
        ("AblationCAM", "ablation_cam"),
        ("SmoothGradCAMpp", "smooth_grad_cam_pp"),
        ("Smooth Grad-CAM++", "smooth_grad_cam_pp"),
        ("Opti-CAM", "opti_cam"),
        ("OptiCAM", "opti_cam"),
        ("EigenCAM", "eigen_cam"),
        ("Eigen-CAM", "eigen_cam"),
        ("EigenGradCAM", "eigen_grad_cam"),
        ("Eigen-Grad-CAM", "eigen_grad_cam"),
        ("GradCAMElementWise", "elementwise_grad_cam"),
        ("Element-wise Grad-CAM", "elementwise_grad_cam"),
        ("KPCA_CAM", "kpca_cam"),
        ("KPCA-CAM", "kpca_cam"),
        ("ShapleyCAM", "shapley_cam"),
        ("Shapley-CAM", "shapley_cam"),
    ],
)
def test_names_that_people_use(written, meant):
    assert find(written) == (meant, METHODS[meant])


@pytest.mark.parametrize("form", SCORES)
def test_the_score_picks_the_form(form):
    assert find("Grad-CAM++", score=form) == (SCORES[form], METHODS[SCORES[form]])
    assert find(SCORES[form], score=form)[0] == SCORES[form]
    assert find("grad_cam_pp", score=form.upper().replace("_", "-"))[0] == SCORES[form]
    assert SCORES[form] == ("grad_cam_pp" if form == "exp" else f"grad_cam_pp_{form}")


@pytest.mark.parametrize(
    ("name", "score", "message"),
    [
        ("gradcamm", None, "'gradcamm'. Near names: 'grad_cam'"),
        ("Grad-CAM+++", None, "'Grad-CAM+++'. Near names: 'grad_cam_plus', 'grad_cam_pp"),
        ("zebra", None, "'zebra'. On offer: 'cam', 'grad_cam', 'grad_cam_pp'"),
        ("", None, "came ''. On offer: 'cam'"),
        ("grad_cam_pp", "softmaxx", "'softmaxx'. Near names: 'softmax'"),
        (
            "grad_cam",
            "softmax",
            "Only 'grad_cam_pp' has forms of the score; 'grad_cam' was asked for",
        ),
        ("grad_cam", "exp", "Leave the score out"),
        (
            "grad_cam_pp_sigmoid",
            "softmax",
            "'grad_cam_pp_sigmoid' was asked for with score='softmax'",
        ),
    ],
)
def test_an_unknown_name_or_score_is_told_what_there_is(name, score, message):
    with pytest.raises(MethodError) as raised:
        find(name, score)
    assert message in str(raised.value)
    assert isinstance(raised.value, SightlineError)


def test_no_two_names_are_written_alike_and_aliases_lead_somewhere():
    written = [normalised(name) for name in METHODS]
    assert len({*written, *ALIASES}) == len(METHODS) + len(ALIASES)
    assert set(ALIASES.values()) <= set(METHODS)
    assert all(normalised(alias) == alias for alias in ALIASES)
