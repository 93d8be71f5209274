// Elements and canvases.

export const SIDE = 28;

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((each) => each !== null));
  return made;
}

export function button(label, attributes, action) {
  const made = element("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", action);
  return made;
}

// An image as the network sees it, bright on black; with a heat map orange where the ink carried the answer, blue where
// it spoke against it.
export function drawn(image, heat, label) {
  const canvas = element("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": label, class: "image" });
  if (heat) canvas.dataset.heat = "";
  const context = canvas.getContext("2d"), pixels = context.createImageData(SIDE, SIDE);
  const most = heat ? Math.max(1e-6, ...heat.flat().map(Math.abs)) : 1;
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const value = image[row][column], share = heat ? heat[row][column] / most : 0;
      pixels.data.set([...tint(value, share), 255], 4 * (row * SIDE + column));
    }
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

function tint(value, share) {
  const colour = share >= 0 ? [255, 138, 30] : [64, 150, 255], weight = Math.sqrt(Math.abs(share));
  return colour.map((each) => value * (1 - weight) + (value / 255) * each * weight);
}

export const asBlob = (canvas) => new Promise((resolve) => canvas.toBlob(resolve, "image/png"));

export function download(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// A PNG in base64 as a picture, which its caption describes.
export function decoded(base64) {
  const bytes = Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));
  const image = element("img", { src: URL.createObjectURL(new Blob([bytes], { type: "image/png" })), alt: "" });
  image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
  return image;
}
