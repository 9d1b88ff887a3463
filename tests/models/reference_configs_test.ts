/**
 * Defaults against the reference's configuration classes (tools/reference_configs.py writes them down): a config that leaves
 * everything out is read as one that writes every default, and every key of the classes is used, known to be harmless, or refused.
 */
import assert from "node:assert/strict";
import { ConfigReader } from "../../src/models/config_reader.ts";
import { checkUnreadKeys } from "../../src/models/known_keys.ts";
import { ARCHITECTURES } from "../../src/models/registry.ts";

const { models }: { models: Record<string, Record<string, unknown>> } = JSON.parse(
  Deno.readTextFileSync(new URL("../cases/reference_configs.json", import.meta.url)),
);

/** Published files leave out the size of a tile, which their positions tell: here the class's 448 pixels in patches of 14, and one. */
const shapeOf = () => [32 * 32 + 1];

Deno.test("the reference's defaults of every architecture are there", () => {
  assert.deepEqual(Object.keys(models).sort(), Object.keys(ARCHITECTURES).sort());
});

for (const [name, defaults] of Object.entries(models)) {
  Deno.test(`${name}: an absent key means the default of the reference's class`, () => {
    const read = (values: Record<string, unknown>) => {
      const { decoder } = ARCHITECTURES[name].read(new ConfigReader("config.json", values), shapeOf);
      const { layers, ...numbers } = decoder;
      return { ...numbers, layerCount: layers.length };
    };
    const written = read(defaults);
    assert.deepEqual(read({ model_type: name }), written);
    // Each key for itself, so that no two mistakes hide each other.
    for (const key of Object.keys(defaults)) {
      const { [key]: _, ...others } = defaults;
      assert.deepEqual(read(others), written, `without ${key}`);
    }
  });

  Deno.test(`${name}: every key of the reference's class is used, known to be harmless, or refused`, () => {
    const config = new ConfigReader("config.json", defaults);
    ARCHITECTURES[name].read(config, shapeOf);
    checkUnreadKeys(config, (text) => assert.fail(text));
  });
}
