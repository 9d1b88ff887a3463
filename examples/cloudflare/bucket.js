import { remoteModelSource } from "@remora/remora";

/** A model whose files are in an R2 bucket: weights are read by ranges and packed as they come. */
export function bucketSource(bucket) {
  async function get(name, begin, end) {
    const object = await bucket.get(name, { range: { offset: begin, length: end - begin } });
    if (!object) throw new Error(`${name} is not in the bucket`);
    return object;
  }
  return remoteModelSource({
    label: "the bucket",
    async list() {
      const { objects } = await bucket.list();
      return new Map(objects.map(({ key, size }) => [key, size]));
    },
    async read(name, begin, end) {
      const object = await get(name, begin, end);
      return new Uint8Array(await object.arrayBuffer());
    },
  });
}
