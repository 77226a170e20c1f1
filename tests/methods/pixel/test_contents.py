"""The table of contents is complete, and finds what people mean."""

import inspect
import re
from pathlib import Path

import pytest

from helpers.docstrings import first_paragraph
from sightline.errors import MethodError, SightlineError
from sightline.methods import pixel as pixelspace
from sightline.methods.pixel import PIXELSPACE, about, find
from sightline.supply import options, requests

SHARED = {"__init__", "contents", "names", "reduce"}
"""Files in the room that are no method."""

WORDS = {
    "input_gradients",
    "guided_gradients",
    "deconvnet_gradients",
    "image_map",
    "products",
    "enlarge",
}


def test_every_file_is_listed_and_everything_listed_has_a_file():
    files = {path.stem for path in Path(pixelspace.__file__).parent.glob("*.py")} - SHARED
    assert files == set(PIXELSPACE)


@pytest.mark.parametrize("name", PIXELSPACE)
def test_file_function_and_name_are_one(name):
    function = PIXELSPACE[name]
    assert function.__name__ == name
    assert function.__module__ == f"sightline.methods.pixel.{name}"
    assert getattr(pixelspace, name) is function
    assert set(requests(function)) <= WORDS
    assert options(function) == []


def test_no_sibling_is_imported():
    for path in Path(pixelspace.__file__).parent.glob("*.py"):
        rooms = re.findall(r"^ *from sightline\.([\w.]+)", path.read_text(), flags=re.MULTILINE)
        siblings = {room for room in rooms if not room.startswith("methods.pixel.")}
        assert siblings <= {"types", "errors", "tensors", "supply", "methods.catalogue"}, path.name


@pytest.mark.parametrize("name", PIXELSPACE)
def test_about_says_title_paper_and_summary_and_the_docstring_has_a_formula_and_an_example(name):
    said = about(name)
    text = inspect.getdoc(PIXELSPACE[name])
    assert said.name == name
    assert said.summary == first_paragraph(PIXELSPACE[name])
    assert said.summary.endswith(".")
    assert re.search(r"arXiv:\d{4}\.\d{4,5}", said.paper)
    assert find(said.title)[0] == name, "the title in print finds the method"
    assert text.count("$$") == 2
    assert ">>> " in text


@pytest.mark.parametrize("name", ["guided_backprop", "deconvnet", "guided_cam"])
def test_what_fails_the_sanity_checks_says_so(name):
    """Adebayo et al. 2018: no evidence for a class at the level of pixels."""
    text = " ".join(inspect.getdoc(PIXELSPACE[name]).split())
    assert re.search(r"\*\*[^*]*(no|not) evidence for (a|the) class[^*]*\*\*", text)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("gradient", "gradient"),
        ("Gradient", "gradient"),
        ("saliency", "gradient"),
        ("Saliency map", "gradient"),
        ("vanilla-gradient", "gradient"),
        ("guided_backprop", "guided_backprop"),
        ("Guided Backprop", "guided_backprop"),
        ("Guided Backpropagation", "guided_backprop"),
        ("guided-backpropagation", "guided_backprop"),
        ("GuidedBackprop", "guided_backprop"),
        ("FullGrad", "full_grad"),
        ("Full-Gradients", "full_grad"),
        ("deconvnet", "deconvnet"),
        ("DeconvNet", "deconvnet"),
        ("Deconvolution", "deconvnet"),
    ],
)
def test_names_that_people_use(written, meant):
    assert find(written) == (meant, PIXELSPACE[meant], None)


@pytest.mark.parametrize(
    ("written", "cam"),
    [
        ("guided_grad_cam", "grad_cam"),
        ("Guided Grad-CAM", "Grad-CAM"),
        ("Guided Grad-CAM++", "Grad-CAM++"),
        ("guided_grad_cam_pp", "grad_cam_pp"),
        ("GuidedGradCAM++", "GradCAM++"),
        ("guided-gradcam", "gradcam"),
        ("  guided layer_cam ", "layer_cam"),
        ("guided_cam", "cam"),
        ("guided_hires_cam", "hires_cam"),
        ("guided zebra", "zebra"),
    ],
)
def test_guided_before_a_cam_is_the_product(written, cam):
    assert find(written) == ("guided_cam", pixelspace.guided_cam, cam)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gradiant", "came 'gradiant'. Near names: 'gradient'"),
        ("guided backprob", "came 'guided backprob'. Near names: 'guided_backprop'"),
        ("guided_backpropogation", "Near names: 'guided_backprop'"),
        ("deconvnett", "Near names: 'deconvnet'"),
        ("guided", "came 'guided'. Near names: 'guided_cam'"),
        (
            "zebra",
            (
                "came 'zebra'. On offer: 'gradient', 'guided_backprop', 'deconvnet', 'guided_cam',"
                " 'full_grad'."
            ),
        ),
        ("", "came ''. On offer: "),
        ("grad_cam", "came 'grad_cam'"),
    ],
)
def test_an_unknown_name_is_told_what_there_is(name, message):
    with pytest.raises(MethodError) as raised:
        find(name)
    assert message in str(raised.value)
    assert isinstance(raised.value, SightlineError)
