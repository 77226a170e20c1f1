"""An embedding network (CLIP) asked how near it is to a vector: of a text, of another image."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sightline.errors import TargetError
from sightline.targets.model_outputs import named_parts
from sightline.targets.target import Aim, Key, Names, Size, part


@dataclass(frozen=True, eq=False)
class Similarity(Aim):
    r"""The cosine between an image's embedding and a given vector.

    $$y = \frac{\langle v, t \rangle}{|v|\,|t|}$$

    `to` is t, `[d]` for all images or `[b, d]`, each its own: a text's embedding, another image's,
    a mean of several. The image's own, v, is the output itself `[b, d]`, or its `image_embeds` or
    `pooler_output`, or what `output` names. `name` is what the result calls it.

    CLIP's `logits_per_image` are these cosines times a temperature, a column a text: ask for one by
    `Output("logits_per_image", 0)`.

    >>> Similarity(torch.tensor([3.0, 4.0]))(torch.tensor([[6.0, 8.0], [-4.0, 3.0]]))
    tensor([1., 0.])
    """

    to: Tensor
    output: Key | None = None
    name: str = "similarity"

    def _scores(self, outputs: Any, classes: Names, size: Size) -> Tensor:
        if not isinstance(self.to, Tensor):
            raise TargetError(
                f"Expected an embedding to compare with, a tensor [d] or [b, d]; got {self.to!r}. A"
                " text becomes one by the model's own text tower:"
                " Similarity(model.get_text_features(...), name='a cat')."
            )
        own = embedding(outputs, self.output)
        own = own.to(torch.promote_types(own.dtype, torch.float32))  # lengths of halves lose digits
        to = self.to.detach().to(own)
        if (
            to.ndim not in (1, 2)
            or to.shape[-1] != own.shape[1]
            or (to.ndim == 2 and len(to) not in (1, len(own)))
        ):
            raise TargetError(
                f"Expected a vector [{own.shape[1]}], or one for each of the {len(own)} images; got"
                f" {list(to.shape)}. Text and image embeddings have one length only behind CLIP's"
                " projections (text_embeds, image_embeds)."
            )
        lengths = to.norm(dim=-1), own.detach().norm(dim=-1)
        if not all(bool((length > 0).all()) for length in lengths):
            raise TargetError(
                "Expected embeddings with a direction; one of them is zero, and has a cosine to"
                " nothing."
            )
        cosine: Tensor = (own * to).sum(1) / (own.norm(dim=1) * to.norm(dim=-1))
        return cosine

    def __str__(self) -> str:
        return self.name


def embedding(outputs: Any, key: Key | None = None) -> Tensor:
    """One vector an image, `[b, d]`.

    It is the outputs, or their `image_embeds`, `pooler_output`, or what `key` names.
    """
    if key is not None:
        found = part(outputs, key)
    elif isinstance(outputs, Tensor):
        found = outputs
    else:
        parts = named_parts(outputs, "embedding")
        found = next((one for one in parts if isinstance(one, Tensor)), outputs)
    if isinstance(found, Tensor) and found.is_floating_point():
        pooled = found.ndim > 2 and found[0, 0].numel() == 1  # [b, d, 1, 1]
        vectors = found.flatten(1) if pooled else found
        if vectors.ndim == 2:
            return vectors
    came = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
    raise TargetError(
        f"Expected an embedding for each image, [b, d]; the model returned {came}. Name it,"
        " Similarity(..., output='image_embeds'), or pool it in a model of your own."
    )
