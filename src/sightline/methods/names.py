"""What a method is called, and what it does in one line, wherever it is listed."""

from typing import Any

from sightline import methods
from sightline.methods import blackbox, pixel


def title_of(name: str) -> str:
    """A method's name as its paper writes it.

    >>> title_of("grad_cam_pp"), title_of("guided_grad_cam"), title_of("guided_backprop")
    ('Grad-CAM++', 'Guided Grad-CAM', 'Guided backpropagation')
    """
    if name in methods.METHODS:
        return methods.about(name).title
    if name in blackbox.BLACKBOX:
        return blackbox.about(name).title
    cam = pixel.find(name)[2]
    return pixel.about(name).title if cam is None else f"Guided {methods.about(cam).title}"


def summary_of(name: str) -> str:
    """What a method does, in one line.

    >>> summary_of("grad_cam")
    'Weigh each channel by the mean of its gradients (Grad-CAM++ eq. 3).'
    """
    rooms = ((methods.METHODS, methods), (blackbox.BLACKBOX, blackbox))
    room: Any = next((room for names, room in rooms if name in names), pixel)
    return str(room.about(name).summary)
