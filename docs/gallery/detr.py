"""A small Conditional DETR asked about each shape by its colour: the query that answers for it, in
the encoder's map.

python docs/gallery/detr.py docs/pictures/detr.jpg
"""

import sys

from drawn import COLOURS, KINDS, measured, scene, trained

import sightline
from sightline.render import outline, sheet
from sightline.targets import Box

model = trained("detr")
drawn = scene(1_000_011, shapes=3)
images = (drawn.picture[None] - 0.5) / 0.25
looks = sightline.Preprocess(resize=None, crop=None, mean=(0.5,) * 3, std=(0.25,) * 3)
names = list(COLOURS)

rows, titles = [], []
for box, kind, colour in zip(drawn.boxes, drawn.kinds, drawn.colours, strict=True):
    e = sightline.explain(
        model,
        images,
        Box(box, names[colour], kind="sigmoid"),
        ["layer_cam", "hires_cam", "grad_cam"],
        layer="model.encoder.layers.0",
        preprocess=looks,
        classes=names,
    )
    chief = e["layer_cam"]
    rows.append(
        [outline(chief.photograph(), [box.tolist()]), *[one.picture() for one in e.values()]]
    )
    titles.append(f"{names[colour]} {KINDS[kind]}\nlogit {float(chief.scores[0]):.1f}")

columns = ["Asked", "Layer-CAM", "HiResCAM", "Grad-CAM"]
heading = (
    f"The encoder's map of a small Conditional DETR ({measured('detr'):.0%} of shapes found in"
    " drawn pictures)"
)
picture = sheet(rows, columns=columns, titles=titles, heading=heading)
picture.save(sys.argv[1] if len(sys.argv) > 1 else "detr.jpg", quality=90)
