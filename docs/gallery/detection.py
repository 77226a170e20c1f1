"""A small Faster R-CNN asked about each shape it found. It pads the picture inside; the map fits
all the same.

Layer-CAM has a weight for each place and stays in the box. Grad-CAM has one for each channel: it
shows where else in the picture the channels speak that spoke for the box.

python docs/gallery/detection.py docs/pictures/detection.jpg
"""

import sys

import torch
from drawn import KINDS, measured, scene, trained

import sightline
from sightline.render import outline, sheet
from sightline.targets import Box

model = trained("faster_rcnn")
drawn = scene(1_000_003, shapes=3, size=(80, 120))  # 96 x 144 inside, padded to 96 x 160
images = drawn.picture[None]
names = ["nothing", *KINDS]

with torch.no_grad():
    (found,) = model(list(images))
rows, titles = [], []
for box, kind in zip(drawn.boxes, drawn.kinds, strict=True):
    e = sightline.explain(
        model,
        images,
        Box(box, KINDS[kind]),
        ["layer_cam", "grad_cam", "guided_layer_cam"],
        layer="backbone.11",
        classes=names,
    )
    chief = e["layer_cam"]
    k = int(((found["labels"] == 1 + kind) * found["scores"]).argmax())
    there = [found["boxes"][k].tolist()]
    plain = outline(chief.photograph(), there)
    rows.append([plain, *[outline(one.picture(), there) for one in e.values()]])
    titles.append(
        f"{KINDS[kind]} {float(found['scores'][k]):.2f}\nlog odds {float(chief.scores[0]):.1f}"
    )

columns = ["Found", "Layer-CAM", "Grad-CAM", "Guided Layer-CAM"]
heading = f"A small Faster R-CNN ({measured('faster_rcnn'):.0%} of shapes found in drawn pictures)"
picture = sheet(rows, columns=columns, titles=titles, heading=heading)
picture.save(sys.argv[1] if len(sys.argv) > 1 else "detection.jpg", quality=90)
