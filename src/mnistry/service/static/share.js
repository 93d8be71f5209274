// A picture to share: what was written, and what was read.

import { text } from "./messages.js";
import { asBlob, download, drawn } from "./draw.js";

const WIDTH = 1080, SIDE = 900, GAP = 30;

export async function share(source, answer) {
  const canvas = composed(source, answer);
  const blob = await asBlob(canvas);
  const name = `mnistry-${answer.text.replace(/\s+/g, "-").slice(0, 40) || "picture"}.png`;
  const file = new File([blob], name, { type: "image/png" });
  if (navigator.canShare?.({ files: [file] })) {
    await navigator.share({ files: [file], title: answer.text }).catch(() => null); // the user changed their mind
  } else {
    download(blob, name);
  }
}

function composed(source, answer) {
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
  const scale = Math.min(SIDE / source.width, SIDE / source.height);
  const width = source.width * scale, height = source.height * scale;
  canvas.width = WIDTH;
  canvas.height = Math.ceil(height + 480);
  context.fillStyle = "#f4f1ea";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, (WIDTH - width) / 2, 90, width, height);
  context.fillStyle = "#1d2733";
  context.textAlign = "center";
  const line = answer.text.replace(/\s+/g, " ");
  context.font = `500 ${Math.min(130, 1500 / Math.max(8, line.length))}px serif`;
  context.fillText(line, WIDTH / 2, height + 220, WIDTH - 2 * GAP);
  context.imageSmoothingEnabled = false;
  const shown = answer.digits.slice(0, 8), side = Math.min(112, (WIDTH - 2 * GAP) / shown.length - 12);
  shown.forEach((digit, i) => {
    context.drawImage(drawn(digit.image, null, ""), WIDTH / 2 + (i - shown.length / 2) * (side + 12) + 6, height + 265, side, side);
  });
  context.font = "30px sans-serif";
  context.fillStyle = "#5b6470";
  context.fillText(text.shareCaption, WIDTH / 2, height + 440);
  return canvas;
}
