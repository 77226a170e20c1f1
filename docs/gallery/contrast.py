"""A cat asked what makes it a tabby, and what makes it a tabby rather than what looks alike
(Finer-CAM).

python docs/gallery/contrast.py docs/pictures/contrast.jpg
"""

import sys
from dataclasses import replace

import sightline
from sightline.apps.demo import scenes
from sightline.render import sheet
from sightline.targets import Contrast, Margin

model, card = sightline.load("lookout")
cat = next(scene for scene in scenes() if scene.name == "A cat and a cup").picture
asked = [Contrast("tabby", gamma=gamma) for gamma in (0.0, 0.6, 1.0)] + [Margin("tabby")]
e = sightline.explain(
    model, cat, asked, ["grad_cam", "grad_cam_pp"], preprocess=replace(card.preprocess, crop=None)
)
rows = [[one.photograph(), *[one.picture(0, j) for j in range(len(asked))]] for one in e.values()]
notes = [["", *[f"score {float(score):.1f}" for score in one.scores[0]]] for one in e.values()]
columns = [
    "What the model saw",
    "tabby",
    "against similar, 0.6",
    "against similar, 1",
    "against the runner-up",
]
picture = sheet(rows, columns=columns, titles=["Grad-CAM", "Grad-CAM++"], notes=notes)
picture.save(sys.argv[1] if len(sys.argv) > 1 else "contrast.jpg", quality=90)
