"""sightline: see what a vision network looked at, and know how far to trust that picture.

>>> import torch, sightline
>>> net = torch.nn.Sequential(
...     torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
... )
>>> sightline.explain(net, torch.rand(1, 3, 8, 8)).maps.shape
torch.Size([1, 8, 8])
"""

import logging as _logging
from typing import TYPE_CHECKING

from sightline.supply import lazily as _lazily

if TYPE_CHECKING:
    from sightline.errors import SightlineError as SightlineError
    from sightline.evaluation.compare_layers import compare_layers as compare_layers
    from sightline.evaluation.evaluate import evaluate as evaluate
    from sightline.evaluation.report.summarise import summarise as summarise
    from sightline.explanation.confidence import kept_confidence as kept_confidence
    from sightline.explanation.explain import explain as explain
    from sightline.explanation.export.compiled import compiled as compiled
    from sightline.explanation.export.explainer import Explainer as Explainer
    from sightline.explanation.export.exportable import exportable as exportable
    from sightline.explanation.export.onnx import to_onnx as to_onnx
    from sightline.explanation.factorise import Factorisation as Factorisation
    from sightline.explanation.factorise import factorise as factorise
    from sightline.explanation.folder import explain_folder as explain_folder
    from sightline.explanation.fuse import fuse as fuse
    from sightline.explanation.result import Explanation as Explanation
    from sightline.maps.combine import combine as combine
    from sightline.maps.mask import explanation_map as explanation_map
    from sightline.maps.upsample import image_map as image_map
    from sightline.methods.blackbox.contents import BLACKBOX as BLACKBOX
    from sightline.methods.contents import METHODS as METHODS
    from sightline.methods.pixel.contents import PIXELSPACE as PIXELSPACE
    from sightline.metrics.contents import METRICS as METRICS
    from sightline.models import Card as Card
    from sightline.models import describe as describe
    from sightline.models import load as load
    from sightline.protocol import Protocol as Protocol
    from sightline.surgery import capture as capture
    from sightline.surgery.layers.choose import layers as layers
    from sightline.targets.class_names import Target as Target
    from sightline.targets.contrast import Contrast as Contrast
    from sightline.targets.contrast import Margin as Margin
    from sightline.targets.detection import Box as Box
    from sightline.targets.output import Neuron as Neuron
    from sightline.targets.output import Output as Output
    from sightline.targets.segmentation import Region as Region
    from sightline.targets.similarity import Similarity as Similarity
    from sightline.types import Preprocess as Preprocess

    __version__: str

# One name, three times: where it is (read when it is first used), what a star brings, and above
# what editors and type checkers read. A test holds the three together.
_WHERE = {
    "BLACKBOX": "sightline.methods.blackbox.contents",
    "Box": "sightline.targets.detection",
    "Card": "sightline.models",
    "Contrast": "sightline.targets.contrast",
    "Explainer": "sightline.explanation.export.explainer",
    "Explanation": "sightline.explanation.result",
    "Factorisation": "sightline.explanation.factorise",
    "METHODS": "sightline.methods.contents",
    "METRICS": "sightline.metrics.contents",
    "Margin": "sightline.targets.contrast",
    "Neuron": "sightline.targets.output",
    "Output": "sightline.targets.output",
    "PIXELSPACE": "sightline.methods.pixel.contents",
    "Preprocess": "sightline.types",
    "Protocol": "sightline.protocol",
    "Region": "sightline.targets.segmentation",
    "SightlineError": "sightline.errors",
    "Similarity": "sightline.targets.similarity",
    "Target": "sightline.targets.class_names",
    "capture": "sightline.surgery",
    "combine": "sightline.maps.combine",
    "compare_layers": "sightline.evaluation.compare_layers",
    "compiled": "sightline.explanation.export.compiled",
    "describe": "sightline.models",
    "evaluate": "sightline.evaluation.evaluate",
    "explain": "sightline.explanation.explain",
    "explain_folder": "sightline.explanation.folder",
    "explanation_map": "sightline.maps.mask",
    "exportable": "sightline.explanation.export.exportable",
    "factorise": "sightline.explanation.factorise",
    "fuse": "sightline.explanation.fuse",
    "image_map": "sightline.maps.upsample",
    "kept_confidence": "sightline.explanation.confidence",
    "layers": "sightline.surgery.layers.choose",
    "load": "sightline.models",
    "summarise": "sightline.evaluation.report.summarise",
    "to_onnx": "sightline.explanation.export.onnx",
}

__all__ = [
    "BLACKBOX",
    "METHODS",
    "METRICS",
    "PIXELSPACE",
    "Box",
    "Card",
    "Contrast",
    "Explainer",
    "Explanation",
    "Factorisation",
    "Margin",
    "Neuron",
    "Output",
    "Preprocess",
    "Protocol",
    "Region",
    "SightlineError",
    "Similarity",
    "Target",
    "capture",
    "combine",
    "compare_layers",
    "compiled",
    "describe",
    "evaluate",
    "explain",
    "explain_folder",
    "explanation_map",
    "exportable",
    "factorise",
    "fuse",
    "image_map",
    "kept_confidence",
    "layers",
    "load",
    "summarise",
    "to_onnx",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> str:
        if name == "__version__":
            from sightline.supply import version

            return version()
        raise AttributeError(name)  # and then `lazily` looks into _WHERE


_lazily(__name__)
_logging.getLogger("sightline").addHandler(_logging.NullHandler())
