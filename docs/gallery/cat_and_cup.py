"""The picture at the top of the README: two classes of one photograph, from one forward pass.

python docs/gallery/cat_and_cup.py docs/pictures/cat_and_cup.jpg
"""

import sys
from dataclasses import replace

import sightline
from sightline.apps.demo import scenes
from sightline.methods.names import title_of
from sightline.render import explanation_map, sheet

METHODS = ["grad_cam", "grad_cam_pp", "guided_grad_cam_pp"]

model, card = sightline.load("lookout")
scene = next(scene for scene in scenes() if scene.name == "A cat and a cup")
found = sightline.explain(
    model,
    scene.picture,
    ["tabby", "espresso"],
    METHODS,
    preprocess=replace(card.preprocess, crop=None),
)
chief = found["grad_cam_pp"]
kept = sightline.kept_confidence(model, chief)
rows = [
    [
        chief.photograph(0),
        *(one.picture(0, j) for one in found.values()),
        explanation_map(chief.photograph(0), chief.maps[0, j]),
    ]
    for j in range(2)
]
titles = [
    f"{chief.targets[0][j]}\nconfidence {float(chief.probabilities[0, j]):.0%}" for j in range(2)
]
notes = [["", "", "", "", f"keeps {float(kept[0, j]):.0%}"] for j in range(2)]
columns = ["What the model saw", *(title_of(name) for name in METHODS), "Explanation map"]
picture = sheet(rows, columns=columns, titles=titles, notes=notes)
picture.save(sys.argv[1] if len(sys.argv) > 1 else "cat_and_cup.jpg", quality=90)
