// Strokes of a pen -> the 28 by 28 pixels that a network trained on MNIST knows how to read.
//
// MNIST's digits are white ink on black, fitted into 20 by 20 pixels and centred by their mass (LeCun, Cortes and
// Burges, "The MNIST database of handwritten digits"). Here the strokes themselves are known, so they are drawn anew
// at MNIST's size with a pen of MNIST's width, ten times as fine, and then averaged.
const SIDE = 28,
  FITTED = 20; // pixels
const PEN = 2.4; // pixels: how wide a stroke of MNIST is, about
const FINE = 10; // drawn pixels in one of the result's, each way

/** strokes: [[[x, y]]]. Gives Float32Array of 784, 0 is paper and 1 is ink; null where nothing is drawn. */
export function read(strokes) {
  const points = strokes.flat();
  if (!points.length) return null;
  const first = draw(strokes, placing(points));
  const [x, y] = centre(first);
  return shrink(draw(strokes, placing(points, (SIDE * FINE) / 2 - x, (SIDE * FINE) / 2 - y)));
}

/** The point of the fine picture that a point of the pen comes to, moved by so much. */
function placing(points, right = 0, down = 0) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const [width, height] = [Math.max(...xs) - left, Math.max(...ys) - top];
  const step = ((FITTED - PEN) * FINE) / Math.max(width, height, 1);
  const rim = (SIDE * FINE) / 2;
  return ([x, y]) => [rim + (x - left - width / 2) * step + right, rim + (y - top - height / 2) * step + down];
}

function draw(strokes, place) {
  const canvas = Object.assign(document.createElement("canvas"), { width: SIDE * FINE, height: SIDE * FINE });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  Object.assign(pen, { lineWidth: PEN * FINE, lineCap: "round", lineJoin: "round" });
  strokes.forEach((stroke) => {
    pen.beginPath();
    pen.moveTo(...place(stroke[0]));
    stroke.forEach((point) => pen.lineTo(...place(point)));
    pen.stroke();
  });
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  return Float32Array.from({ length: canvas.width * canvas.height }, (_, index) => data[index * 4 + 3] / 255);
}

function centre(fine) {
  const side = SIDE * FINE;
  let [mass, x, y] = [0, 0, 0];
  fine.forEach((ink, index) => {
    mass += ink;
    x += ink * ((index % side) + 0.5);
    y += ink * (Math.floor(index / side) + 0.5);
  });
  return [x / mass, y / mass];
}

function shrink(fine) {
  const pixels = new Float32Array(SIDE * SIDE);
  fine.forEach((ink, index) => {
    const row = Math.floor(index / (SIDE * FINE) / FINE),
      column = Math.floor((index % (SIDE * FINE)) / FINE);
    pixels[row * SIDE + column] += ink / FINE ** 2;
  });
  return pixels;
}

/** The pixels as the model of lab 1 takes them: (1, 28, 28, 1), three decimals. */
export const instances = (pixels) => [
  Array.from({ length: SIDE }, (_, row) =>
    Array.from(pixels.slice(row * SIDE, (row + 1) * SIDE), (ink) => [Math.round(ink * 1000) / 1000]),
  ),
];
