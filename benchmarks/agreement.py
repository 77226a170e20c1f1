"""How near each library's Grad-CAM++ is to the paper's formula, on a network with trained weights.

    python benchmarks/agreement.py            # the bundled model; --size 64

The reference is equation (19) in float64, on the layer's own grid, rectified. For each library and
layer: the correlation of its map with the reference, and on how many pictures the map's peak moved.
"""

import argparse
import copy
import warnings
from importlib.metadata import version

import torch
from torch import Tensor, nn

import sightline
from sightline.apps.demo import scenes
from sightline.images import prepare

LAYERS = ("features", "features.4", "features.2")


def reference(activations: Tensor, gradients: Tensor) -> Tensor:
    """Equation (5) with (19) and (20), letter by letter."""
    a, g = activations.double(), gradients.double()
    alpha = g**2 / (2 * g**2 + a.sum((2, 3), keepdim=True) * g**3)
    alpha = torch.where(g == 0, 0.0, alpha)
    weights = (alpha * g.relu()).sum((2, 3), keepdim=True)
    return (weights * a).sum(1).relu()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=96)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    model, card = sightline.load("lookout")
    images = pictures(card, options.size)
    print(
        ", ".join(f"{name} {version(name)}" for name in ("sightline", "grad-cam", "torchcam")),
        f"{len(images)} pictures",
    )
    print("| layer | library | correlation (median, worst) | peak moved |\n|---|---|---|---|")
    for layer in LAYERS:
        trace = sightline.capture(model, images, layer)
        scores, classes = trace.outputs.max(1)
        (gradient,) = trace.gradients(scores)
        truth = reference(trace.activations, gradient)
        for library, maps in each(model, images, classes, layer).items():
            rows = [
                torch.corrcoef(torch.stack([m.double().flatten(), t.flatten()]))[0, 1]
                for m, t in zip(maps, truth, strict=True)
            ]
            moved = sum(int(m.argmax() != t.argmax()) for m, t in zip(maps, truth, strict=True))
            middle = sorted(rows)[len(rows) // 2]
            print(
                f"| {layer} | {library} | {middle:.4f}, {min(rows):.4f} | {moved} of {len(rows)} |"
            )


def pictures(card: sightline.Card, size: int) -> Tensor:
    """The demo's photographs, cut into tiles of `size`."""
    whole = sightline.Preprocess(
        2 * size, None, card.preprocess.interpolation, card.preprocess.mean, card.preprocess.std
    )
    tiles = []
    for scene in scenes():
        picture = prepare(scene.picture, whole).inputs[0]
        tiles += [
            t
            for row in picture.split(size, 1)
            for t in row.split(size, 2)
            if t.shape[1:] == (size, size)
        ]
    return torch.stack(tiles)


def each(model: nn.Module, images: Tensor, classes: Tensor, layer: str) -> dict[str, Tensor]:
    """Every library's coarse map."""
    from pytorch_grad_cam import GradCAMPlusPlus
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    from torchcam.methods import GradCAMpp

    jacob, other = copy.deepcopy(model), copy.deepcopy(model)
    cam = GradCAMPlusPlus(jacob, [jacob.get_submodule(layer)])
    targets = [ClassifierOutputTarget(int(k)) for k in classes]
    cam(images, targets)
    acts, grads = (
        torch.as_tensor(part[0])
        for part in (cam.activations_and_grads.activations, cam.activations_and_grads.gradients)
    )
    weights = cam.get_cam_weights(images, None, targets, acts.numpy(), grads.numpy())
    mine = torch.as_tensor(weights)[:, :, None, None] * acts
    extractor = GradCAMpp(other, target_layer=layer)
    scores = other(images)
    (torchcam_map,) = extractor(classes.tolist(), scores, normalized=False)
    return {
        "sightline": sightline.explain(model, images, classes, layer=layer).coarse.relu(),
        "pytorch-grad-cam": mine.sum(1).relu(),
        "torch-cam": torchcam_map.detach().relu(),
    }


if __name__ == "__main__":
    main()
