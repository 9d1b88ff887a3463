// Digests of logits and pixels, computed in whatever host imports this: they must be the same in all.

async function sha256(view) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function bytesOf(url) {
  return new Uint8Array(await (await fetch(url)).arrayBuffer());
}

/**
 * @param library `@remora/remora`.
 * @param cases `{ models: [{ name, url, ids or text, picture }], pictures: [url] }`
 * @param options Of loading.
 * @returns {Promise<Record<string, string>>} Digests by name.
 */
export async function digests({ loadModel, decodeImage }, { models, pictures }, options) {
  const found = {};
  for (const { name, url, ids, text, picture } of models) {
    const images = picture ? [await bytesOf(picture)] : [];
    for (const precision of ["f32", "int8"]) {
      const model = await loadModel(url, { ...options, precision });
      const sequence = model.createSequence();
      const { data } = await sequence.forward(ids ?? model.tokenizer.encode(text), { images, logits: "all" });
      found[`${name} ${precision}`] = await sha256(data);
      sequence[Symbol.dispose]();
      await model.dispose();
    }
  }
  for (const url of pictures) {
    const { width, height, data } = await decodeImage(await bytesOf(url));
    found[url.split("/").at(-1)] = `${width} x ${height} ${await sha256(data)}`;
  }
  return found;
}
