/**
 * Rotary frequencies against transformers 4.52.4 (ROPE_INIT_FUNCTIONS with torch 2.13.0; head_dim 64, rope_theta 10000,
 * indices 0 5 10 12 15 20 31), and Llama 3's against the values of its specification.
 */
import assert from "node:assert/strict";
import { type RotaryConfig, rotaryFrequencies } from "../../src/layers/rotary.ts";
import { ConfigReader } from "../../src/models/config_reader.ts";
import { readRotary } from "../../src/models/rotary_config.ts";

const INDICES = [0, 5, 10, 12, 15, 20, 31];

function configOf(scaling: Record<string, unknown>, theta: number, headSize: number): RotaryConfig {
  const config = { max_position_embeddings: 4096, rope_theta: theta, rope_scaling: scaling };
  return readRotary(new ConfigReader("config.json", config), headSize);
}

/** Both sides round to f32 a few times: one part in a million. */
function assertClose(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= 1e-6 * expected, `${actual}, expected ${expected}`);
}

const CASES: { name: string; scaling: Record<string, unknown>; factor: number; frequencies: number[] }[] = [
  {
    name: "linear",
    scaling: { rope_type: "linear", factor: 4 },
    factor: 1,
    frequencies: [
      0.25,
      0.05928434059023857,
      0.014058532193303108,
      0.007905694656074047,
      0.0033338037319481373,
      0.0007905694656074047,
      3.333803761051968e-05,
    ],
  },
  {
    name: "yarn",
    scaling: { type: "yarn", factor: 2, original_max_position_embeddings: 2048 },
    factor: 1.0693147180559945,
    frequencies: [
      1,
      0.23713736236095428,
      0.051908425986766815,
      0.02675773575901985,
      0.00974496454000473,
      0.0017027650028467178,
      6.667607522103935e-05,
    ],
  },
  {
    name: "yarn with parameters of its own",
    scaling: {
      rope_type: "yarn",
      factor: 4,
      original_max_position_embeddings: 1024,
      beta_fast: 16,
      beta_slow: 2,
      attention_factor: 1.5,
    },
    factor: 1.5,
    frequencies: [
      1,
      0.23713736236095428,
      0.045690231025218964,
      0.019764237105846405,
      0.004583979956805706,
      0.0007905694656074047,
      3.333803761051968e-05,
    ],
  },
];

for (const { name, scaling, factor, frequencies } of CASES) {
  Deno.test(`rotary frequencies of ${name} equal the reference`, () => {
    const got = rotaryFrequencies(configOf(scaling, 10000, 64), 0);
    assertClose(got.factor, factor);
    INDICES.forEach((index, i) => assertClose(got.frequencies[index], frequencies[i]));
  });
}

Deno.test("rotary frequencies of llama3 equal the values of the specification", () => {
  const scaling = {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const { frequencies } = rotaryFrequencies(configOf(scaling, 500000, 128), 0);
  const expected: [number, number][] = [
    [0, 1],
    [1, 0.8146172339],
    [28, 3.211445995e-3],
    [29, 2.166570764e-3],
    [31, 8.567514129e-4],
    [34, 1.785078128e-4],
    [35, 9.556212354e-5],
    [63, 3.068925989e-7],
  ];
  for (const [index, value] of expected) assertClose(frequencies[index], value);
});

Deno.test("rotary parameters that cannot be are refused by name", () => {
  const refuses = (scaling: Record<string, unknown>, part: RegExp) =>
    assert.throws(() => configOf(scaling, 10000, 64), part);
  refuses({ rope_type: "dynamic", factor: 2 }, /rope_type/);
  refuses({ rope_type: "linear", factor: 0 }, /factor/);
  refuses({ rope_type: "linear" }, /factor/);
  refuses({ rope_type: "longrope", short_factor: [1], long_factor: [1] }, /short_factor/);
  refuses({ rope_type: "longrope", original_max_position_embeddings: 0 }, /original_max_position_embeddings/);
});
