// Worker: fetches a radiograph and halves it until it is small, so that the page is never busy with either.
// A level is { width, height, values: Uint16Array }; values are levels of brightness, 0 is padding (see the server).
"use strict";
const SMALLEST = 320;

onmessage = async ({ data: row }) => {
  try {
    const answer = await fetch(`radiograph/${row}`);
    if (!answer.ok) throw new Error(`${answer.status}`);
    const facts = JSON.parse(answer.headers.get("X-Radiograph"));
    const body = await answer.arrayBuffer();
    const pixels = facts.rows * facts.columns;
    const curve = new Uint8Array(body.slice(2 * pixels));
    const levels = [{ width: facts.columns, height: facts.rows, values: new Uint16Array(body, 0, pixels) }];
    while (Math.max(levels.at(-1).width, levels.at(-1).height) > 2 * SMALLEST) levels.push(halve(levels.at(-1)));
    const top = levels[0].values.reduce((most, value) => Math.max(most, value), 0);
    const buffers = [curve.buffer, ...levels.map((level) => level.values.buffer)];
    postMessage({ row, facts: { ...facts, top, curve }, levels }, buffers);
  } catch (error) {
    postMessage({ row, error: String(error) });
  }
};

// Means of 2 x 2 values; an odd last row or column is averaged with itself.
function halve({ width, height, values }) {
  const half = { width: Math.ceil(width / 2), height: Math.ceil(height / 2) };
  half.values = new Uint16Array(half.width * half.height);
  let at = 0;
  for (let y = 0; y < height; y += 2) {
    const one = y * width;
    const two = Math.min(y + 1, height - 1) * width;
    for (let x = 0; x < width; x += 2) {
      const next = Math.min(x + 1, width - 1);
      half.values[at++] = (values[one + x] + values[one + next] + values[two + x] + values[two + next] + 2) >> 2;
    }
  }
  return half;
}
