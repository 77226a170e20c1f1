"""What an explanation costs, as ratios to a bare forward pass in the same run.

    python benchmarks/explain.py                        # the table
    python benchmarks/explain.py --models resnet50 --batches 1 --rounds 30

Jobs take turns in one process. sightline names no layer; the peers get theirs by hand, as they need
it, and the reshaping that a transformer needs. All but captum compute Grad-CAM++ (captum has none:
Grad-CAM). Peak memory is that of all tensors, and of those beyond the weights and the pictures.
"""

import argparse
import platform
import warnings
from importlib.metadata import version
from typing import Any

import torch
from common import Job, build, in_turns, peak_bytes, ratio
from torch import Tensor, nn

import sightline

LAYERS = {
    "resnet50": "layer4",
    "mobilenet_v2": "features",
    "vgg16": "features.29",
    "convnext_tiny": "features",
    "vit_b_16": "encoder.layers.encoder_layer_11.ln_1",
}
CLASSES = list(range(0, 1000, 100))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(LAYERS), choices=list(LAYERS))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    print(
        f"{platform.processor() or platform.machine()}, {options.threads} threads, torch"
        f" {torch.__version__}, ",
        end="",
    )
    print(
        ", ".join(
            f"{name} {version(name)}" for name in ("sightline", "grad-cam", "torchcam", "captum")
        )
    )
    print(f"median of {options.rounds} paired ratios to the bare forward [quartiles]\n")
    columns = [
        "model",
        "batch",
        "forward",
        "sightline",
        "ten classes",
        "pytorch-grad-cam",
        "torch-cam",
        "captum",
    ]
    columns += ["peak memory", "beyond the weights"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for name in options.models:
        for size in options.batches:
            print(row(name, size, options.rounds, peers=not options.no_peers), flush=True)


def row(name: str, size: int, rounds: int, peers: bool) -> str:
    """One line of the table."""
    model, images = build(name), torch.randn(size, 3, 224, 224)
    own: dict[str, Job] = {
        "forward": lambda: forward(model, images),
        "sightline": lambda: sightline.explain(model, images),
        "ten": lambda: sightline.explain(model, images, target=CLASSES),
    }
    seconds = in_turns(own | (peer_jobs(name, model, images) if peers else {}), rounds)
    cells = [
        cell(seconds, job)
        for job in ("sightline", "ten", "pytorch-grad-cam", "torch-cam", "captum")
    ]
    kept = sum(
        part.numel() * part.element_size()
        for part in (*model.parameters(), *model.buffers(), images)
    )
    forward_peak, peak = peak_bytes(own["forward"]), peak_bytes(own["sightline"])
    memory = f"{(peak + kept) / (forward_peak + kept):.3f} | {peak / forward_peak:.3f}"
    return (
        f"| {name} | {size} | {1e3 * min(seconds['forward']):.0f} ms | {' | '.join(cells)} |"
        f" {memory} |"
    )


def cell(seconds: dict[str, list[float]], job: str) -> str:
    if job not in seconds:
        return "-"
    median, low, high = ratio(seconds, job, "forward")
    return f"{median:.3f} [{low:.2f}, {high:.2f}]"


def forward(model: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return model(images)


def peer_jobs(name: str, model: nn.Module, images: Tensor) -> dict[str, Job]:
    """The same explanation by the peers, each used as its documentation says, on a copy of the
    model.
    """
    import copy

    from captum.attr import LayerAttribution, LayerGradCam
    from pytorch_grad_cam import GradCAMPlusPlus
    from torchcam.methods import GradCAMpp

    def tokens(out: Tensor) -> Tensor:
        return out[:, 1:].unflatten(1, (14, 14)).movedim(-1, 1)

    transformer = name.startswith("vit")
    jacob, torchcam_model, captum_model = (copy.deepcopy(model) for _ in range(3))
    layer = LAYERS[name]
    cam = GradCAMPlusPlus(
        jacob, [jacob.get_submodule(layer)], reshape_transform=tokens if transformer else None
    )
    jobs: dict[str, Job] = {"pytorch-grad-cam": lambda: cam(images, None)}
    if not transformer:  # needs a reshaping written by hand
        extractor = GradCAMpp(torchcam_model, target_layer=layer)
        jobs["torch-cam"] = lambda: by_torchcam(extractor, torchcam_model, images)
        attribution = LayerGradCam(captum_model, captum_model.get_submodule(layer))
        jobs["captum"] = lambda: LayerAttribution.interpolate(
            attribution.attribute(
                images, target=forward(captum_model, images).argmax(1), relu_attributions=True
            ),
            (224, 224),
            "bilinear",
        )
    return jobs


def by_torchcam(extractor: Any, model: nn.Module, images: Tensor) -> Tensor:
    scores = model(images)
    (coarse,) = extractor(scores.argmax(1).tolist(), scores)
    return torch.nn.functional.interpolate(coarse[:, None], (224, 224), mode="bilinear")


if __name__ == "__main__":
    main()
