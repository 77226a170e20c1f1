"""Two small towers, as CLIP has them, asked how near a picture is to each of several captions.

python docs/gallery/similarity.py docs/pictures/similarity.jpg
"""

import sys

import torch
from drawn import CAPTIONS, measured, scene, tokens, trained

import sightline
from sightline.render import sheet
from sightline.targets import Similarity

model = trained("clip")
drawn = [scene(seed, shapes=2) for seed in (1_000_016, 1_000_021, 1_000_030)]
looks = sightline.Preprocess(resize=None, crop=None, mean=(0.5,) * 3, std=(0.25,) * 3)

rows, notes = [], []
for one in drawn:
    pixels = (one.picture[None] - 0.5) / 0.25
    captions = [CAPTIONS[k] for k in one.captions]
    inputs = {"input_ids": tokens(captions), "pixel_values": pixels}
    with torch.no_grad():
        texts = model(**inputs)["text_embeds"]
    asked = [Similarity(text, name=caption) for text, caption in zip(texts, captions, strict=True)]
    asked += [
        Similarity(texts[j] - texts[1 - j], name=f"{captions[j]} rather than {captions[1 - j]}")
        for j in range(2)
    ]
    e = sightline.explain(model, inputs, asked, "grad_cam", preprocess=looks)
    order = (0, 2, 1, 3)
    rows.append([e.photograph(), *[e.picture(0, j) for j in order]])
    notes.append(["", *[f"{e.targets[0][j]}: cosine {float(e.scores[0, j]):.2f}" for j in order]])

columns = ["Drawn", "A caption", "rather than the other", "The other", "rather than the first"]
heading = (
    f"Grad-CAM of two towers as in CLIP ({measured('clip'):.0%} of drawn pictures are nearest to a"
    " true caption)"
)
picture = sheet(rows, columns=columns, notes=notes, heading=heading)
picture.save(sys.argv[1] if len(sys.argv) > 1 else "similarity.jpg", quality=90)
