"""What is said when the net is not there."""

import ssl
from email.message import Message
from urllib.error import HTTPError, URLError

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from sightline.errors import ModelError
from sightline.models import download
from sightline.models.download import downloading, reach


def answers(monkeypatch, error: Exception) -> list[float]:
    waited: list[float] = []

    def urlopen(request, timeout):
        assert request.get_method() == "HEAD"
        waited.append(timeout)
        raise error

    monkeypatch.setattr(download, "urlopen", urlopen)
    return waited


@pytest.mark.parametrize(
    "error",
    [
        URLError("Name or service not known"),
        TimeoutError("timed out"),
        ConnectionResetError("reset"),
    ],
)
def test_no_answer_is_told_at_once_with_the_ways_out(monkeypatch, error):
    waited = answers(monkeypatch, error)
    with pytest.raises(ModelError) as caught:
        reach("https://example.org/w.pth", "torchvision/resnet50")
    message = str(caught.value)
    for words in (
        "'torchvision/resnet50' could not be fetched",
        "--weights FILE",
        "weights=",
        "pretrained=False",
    ):
        assert words in message
    assert str(getattr(error, "reason", error)) in message
    assert waited == [10.0]


@pytest.mark.parametrize(
    "error",
    [
        HTTPError("https://example.org", 403, "Forbidden", Message(), None),
        URLError(ssl.SSLCertVerificationError("self-signed")),
    ],
)
def test_a_server_that_answers_anything_is_there(monkeypatch, error):
    assert answers(monkeypatch, error) == []
    reach("https://example.org/w.pth", "torchvision/resnet50")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (URLError("no route"), "no route"),
        (HTTPError("https://example.org", 404, "Not Found", Message(), None), "Not Found"),
        (
            LocalEntryNotFoundError("cannot find the requested files"),
            "cannot find the requested files",
        ),
        (RuntimeError('invalid hash value (expected "b8a52dc0", got "00")'), "invalid hash value"),
        (RuntimeError("several\nlines"), "several. Check"),
        (EOFError(), "EOFError"),
    ],
)
def test_every_failed_download_is_a_model_error(error, says):
    with (
        pytest.raises(ModelError, match="could not be fetched") as caught,
        downloading("timm/resnet18"),
    ):
        raise error
    assert says in str(caught.value)
    assert caught.value.__cause__ is error


def test_the_cause_is_told_rather_than_the_advice_of_the_hub():
    with (
        pytest.raises(ModelError, match="fetched: Name or service not known"),
        downloading("timm/resnet18"),
    ):
        raise LocalEntryNotFoundError("check your connection") from OSError(
            "Name or service not known"
        )


def test_other_errors_pass():
    with pytest.raises(KeyError), downloading("timm/resnet18"):
        raise KeyError("x")
