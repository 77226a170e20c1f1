"""A small SegFormer asked about each class, where it predicts it, and about one pixel.

python docs/gallery/segmentation.py docs/pictures/segmentation.jpg
"""

import sys

from drawn import KINDS, measured, scene, trained

import sightline
from sightline.render import outline, sheet
from sightline.targets import Region

model = trained("segformer")
drawn = scene(1_000_003, shapes=3, size=(96, 128))
images = (drawn.picture[None] - 0.5) / 0.25
looks = sightline.Preprocess(resize=None, crop=None, mean=(0.5,) * 3, std=(0.25,) * 3)
names = ["ground", *KINDS]

rows, titles = [], []
for box, kind in zip(drawn.boxes, drawn.kinds, strict=True):
    name = KINDS[kind]
    x, y = int(box[0]) + 3, int(box[3]) - 4  # near the left lower corner of the shape's box
    asked = [Region(name), Region(name, where=(x, y))]
    e = sightline.explain(
        model,
        images,
        asked,
        ["grad_cam", "hires_cam"],
        ["decode_head.activation", "segformer.stages.2"],
        preprocess=looks,
        classes=names,
    )
    pixel = [(x - 1, y - 1, x + 2, y + 2)]
    decoder, stage = e["hires_cam", "decode_head.activation"], e["hires_cam", "segformer.stages.2"]
    plain = e["grad_cam", "decode_head.activation"]
    rows.append(
        [
            plain.photograph(),
            plain.picture(0, 0),
            outline(plain.picture(0, 1), pixel),
            decoder.picture(0, 0),
            outline(decoder.picture(0, 1), pixel),
            outline(stage.picture(0, 1), pixel),
        ]
    )
    titles.append(f"{name}\nmean logit {float(plain.scores[0, 0]):.1f}")

columns = [
    "Drawn",
    "Grad-CAM, its pixels",
    "one pixel",
    "HiResCAM, its pixels",
    "one pixel",
    "one pixel, stage 3",
]
heading = f"A small SegFormer ({measured('segformer'):.1%} of pixels right on drawn pictures)"
picture = sheet(rows, columns=columns, titles=titles, heading=heading)
picture.save(sys.argv[1] if len(sys.argv) > 1 else "segmentation.jpg", quality=90)
