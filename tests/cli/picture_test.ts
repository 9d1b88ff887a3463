/** Pictures on the command line. What the model answers is known from transformers. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import { drawAttention } from "../../cli/attention_picture.ts";
import { lookingLabel } from "../../cli/prompt_bars.ts";
import { decodeImage } from "../../src/image/decode.ts";
import { caseList, sharedPath } from "../shared.ts";
import { hasPermissions, remora, spawnRemora } from "./remora.ts";

const MODEL = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const { inputs } = JSON.parse(Deno.readTextFileSync(`${MODEL}/reference/reference.json`));
const pictureOf = (name: string) => `${MODEL}/reference/${inputs[name].image}`;

Deno.test("run --image: the answer is that of transformers", async () => {
  for (const name of Object.keys(inputs)) {
    const { questions: [question], answers: [answer] } = inputs[name];
    const outcome = await remora(["run", MODEL, question, "--image", pictureOf(name)], { allowRead: MODEL });
    assert.deepEqual([outcome.code, outcome.stdout, outcome.stderr], [0, `${answer}\n`, ""]);
  }
});

Deno.test("run --json --image: one object", async () => {
  const { questions: [question], answers: [answer] } = inputs.wide;
  const outcome = await remora(
    ["run", MODEL, question, "--image", pictureOf("wide"), "--json", "-t", "1", "--precision", "f32"],
    { allowRead: MODEL },
  );
  assert.equal(JSON.parse(outcome.stdout).text, answer);
});

Deno.test("run --max-tiles: a picture that is seen with fewer says so", async () => {
  const args = ["run", MODEL, "How many objects are there?", "--image", pictureOf("wide"), "-t", "1"];
  const fewer = await remora([...args, "--max-tiles", "2"], { allowRead: MODEL });
  assert.deepEqual([fewer.code, fewer.stderr], [
    0,
    "note: a picture is seen with 2 of its 3 tiles, as --max-tiles says\n",
  ]);
  const enough = await remora([...args, "--max-tiles", "3"], { allowRead: MODEL });
  assert.deepEqual([enough.code, enough.stderr], [0, ""]);
});

Deno.test("what looking will take is said as soon as a share of it is measured", () => {
  assert.equal(lookingLabel(0, 1), "Looking");
  assert.equal(lookingLabel(1 / 40, 4), "Looking, about 3 min left");
  assert.equal(lookingLabel(0.5, 60), "Looking, about 60 s left");
  assert.equal(lookingLabel(0.99, 150), "Looking");
});

Deno.test("run --show-attention writes the picture beside its heat map, with permission only", async () => {
  const directory = Deno.makeTempDirSync();
  const file = `${directory}/where.png`;
  const args = [
    "run",
    MODEL,
    "Describe the picture.",
    "--image",
    pictureOf("wide"),
    "--show-attention",
    file,
  ];
  try {
    if (hasPermissions) {
      const refused = await remora(args, { allowRead: MODEL });
      assert.deepEqual([refused.code, refused.stdout], [1, ""]);
      assert.match(refused.stderr, /^remora: Cannot write [^\n]*--allow-write=[^\n]*\n$/);
    }

    const written = await remora(args, { allowRead: MODEL, allowWrite: file });
    assert.equal(written.code, 0, written.stderr);
    const map = await decodeImage(Deno.readFileSync(file));
    const picture = await decodeImage(Deno.readFileSync(pictureOf("wide")));
    const width = (map.width - 8) / 2;
    assert.ok(Math.abs(width / map.height - picture.width / picture.height) < 0.02);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a heat map is hot where the weight is, and blind to padding", () => {
  const picture = { width: 100, height: 50, data: new Uint8Array(100 * 50 * 3).fill(128) };
  const weights = new Float32Array(8 * 8);
  // The picture covers the upper half of the tile; row 1, column 6 is on its right. The padding below is hotter still.
  weights[1 * 8 + 6] = 0.3;
  weights[6 * 8 + 2] = 0.5;
  const map = { picture: 0, rows: 8, columns: 8, width: 1, height: 0.5, weights };
  const drawn = drawAttention(picture, map);
  const half = (drawn.width - 8) / 2;
  let best = { brightness: -1, x: 0, y: 0 };
  for (let y = 0; y < drawn.height; y++) {
    for (let x = 0; x < half; x++) {
      const left = (y * drawn.width + x) * 3, right = left + (half + 8) * 3;
      assert.deepEqual([...drawn.data.subarray(left, left + 3)], [128, 128, 128]);
      const brightness = drawn.data.subarray(right, right + 3).reduce((sum, value) => sum + value);
      if (brightness > best.brightness) best = { brightness, x, y };
    }
  }
  assert.equal(Math.floor(best.x / half * 8), 6);
  assert.equal(Math.floor(best.y / drawn.height * 4), 1);
});

Deno.test("wrong use of pictures is one line on stderr", async () => {
  const question = ["run", MODEL, "What is it?"];
  const image = ["--image", pictureOf("wide")];
  const cases: [string[], number, RegExp][] = [
    [[...question, "--show-attention", "a.png"], 2, /expected one --image beside it, found none/],
    [
      [...question, ...image, ...image, "--show-attention", "a.png"],
      2,
      /expected one --image beside it, found 2/,
    ],
    [[...question, "--image", `${MODEL}/nothing.png`], 1, /nothing\.png": found no such file/],
    [
      [...question, "--image", "/etc/hosts"],
      1,
      hasPermissions ? /--allow-read=\/etc\/hosts/ : /expected a PNG/,
    ],
    [[...question, "--image", `${MODEL}/config.json`], 1, /config\.json: .*a PNG, JPEG or WebP file/],
    [["run", MODEL, "--raw", "no place for it", ...image], 1, /one picture for each of 0 picture tokens/],
    [["run", MODEL, "--raw", "<|image|><|image|>", ...image], 1, /each of 2 picture tokens, found 1/],
    [["run", MODEL, "--raw", "<|image|>"], 1, /each of 1 picture tokens, found 0/],
  ];
  for (const [args, code, message] of cases) {
    const outcome = await remora(args, { allowRead: MODEL });
    assert.equal(outcome.code, code, outcome.stderr);
    assert.equal(outcome.stdout, "");
    assert.match(outcome.stderr, /^remora: [^\n]+\n$/);
    assert.match(outcome.stderr, message);
  }
});

Deno.test("a header that promises 50,000 × 50,000 pixels is refused before they take memory", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const png = Deno.readFileSync(pictureOf("wide"));
    const header = new DataView(png.buffer);
    header.setUint32(16, 50_000);
    header.setUint32(20, 50_000);
    header.setUint32(29, crc32(png.subarray(12, 29)));
    Deno.writeFileSync(`${directory}/bomb.png`, png);
    const outcome = await remora(["run", MODEL, "What?", "--image", `${directory}/bomb.png`], {
      allowRead: `${MODEL},${directory}`,
    });
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /^remora: [^\n]*bomb\.png[^\n]*50000[^\n]*\n$/);
    assert.ok(outcome.peakMegabytes < 300, `${outcome.peakMegabytes} MB`);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

for (const { id, path } of hostileImages()) {
  Deno.test(`hostile picture ${id}: the model that sees refuses it by name (needs ../shared)`, async () => {
    const file = sharedPath("goldens", "hostile", path);
    const outcome = await remora(["run", MODEL, "What?", "--image", file], { allowRead: `${MODEL},${file}` });
    assert.equal(outcome.code, 1, outcome.stdout);
    assert.match(outcome.stderr, /^remora: [^\n]+\n$/);
    assert.ok(outcome.stderr.includes(path), outcome.stderr);
    assert.ok(outcome.seconds < 10);
    assert.ok(outcome.peakMegabytes < 400, `${outcome.peakMegabytes} MB`);
  });
}

Deno.test("Ctrl-C while looking ends the program with 130", async () => {
  const child = spawnRemora(["run", MODEL, "--image", pictureOf("wide"), "-"], {
    allowRead: MODEL,
    stdin: "",
  });
  await new Promise((resolve) => setTimeout(resolve, 600));
  child.kill("SIGINT");
  const { code } = await child.output();
  assert.equal(code, 130);
});

function hostileImages(): { id: string; path: string }[] {
  const rows: { id: string; kind: string; path: string }[] =
    caseList("hostile", "goldens", "hostile", "manifest.json").cases;
  return rows.filter(({ kind }) => kind === "image");
}
