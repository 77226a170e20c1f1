"use strict";
(() => {
  const dialog = document.querySelector("dialog");
  if (!dialog.showModal) return;
  const image = dialog.querySelector("img");
  const caption = dialog.querySelector("figcaption");
  let buttons = [];
  let current = 0;

  const show = (index) => {
    current = (index + buttons.length) % buttons.length;
    const figure = buttons[current].closest("figure");
    const small = figure.querySelector("img");
    image.src = small.src;
    image.alt = small.alt;
    const copy = figure.querySelector("figcaption").cloneNode(true);
    caption.replaceChildren(...copy.childNodes);
  };

  document.querySelectorAll("article").forEach((article) => {
    const own = [...article.querySelectorAll(".enlarge")];
    own.forEach((button, index) => button.addEventListener("click", () => {
      buttons = own;
      dialog.querySelectorAll(".back, .on").forEach((step) => { step.hidden = own.length < 2; });
      show(index);
      dialog.showModal();
    }));
  });
  dialog.querySelector(".back").addEventListener("click", () => show(current - 1));
  dialog.querySelector(".on").addEventListener("click", () => show(current + 1));
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (!event.target.closest("button, img, figcaption")) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") show(current - 1);
    if (event.key === "ArrowRight") show(current + 1);
  });
  dialog.addEventListener("close", () => { buttons[current].focus(); });
})();
