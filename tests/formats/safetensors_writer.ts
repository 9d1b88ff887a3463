/**
 * Writes safetensors bytes for tests. Shares nothing with the reader: sizes come from the data given, offsets
 * from laying them end to end.
 *
 * @module
 */

/** A tensor to write; `data` are its raw little-endian bytes. */
export interface WrittenTensor {
  name: string;
  dtype: string;
  shape: number[];
  data: Uint8Array;
}

/** A tensor of zero bytes, as long as its shape and element size say. */
export function zeros(name: string, dtype: string, shape: number[], elementBytes: number): WrittenTensor {
  let length = elementBytes;
  for (const size of shape) length *= size;
  return { name, dtype, shape, data: new Uint8Array(length) };
}

/** A whole file: header, padded with `padding` spaces, then the data in the order given. */
export function writeSafetensors(
  tensors: WrittenTensor[],
  metadata?: Record<string, string>,
  padding = 0,
): Uint8Array {
  const members: string[] = [];
  if (metadata !== undefined) members.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let offset = 0;
  for (const { name, dtype, shape, data } of tensors) {
    const end = offset + data.length;
    members.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${offset},${end}]}`,
    );
    offset = end;
  }
  return withHeader(`{${members.join(",")}}` + " ".repeat(padding), tensors.map(({ data }) => data));
}

/** A file with any header text, right or wrong. */
export function withHeader(header: string, data: Uint8Array[] = []): Uint8Array {
  const text = new TextEncoder().encode(header);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setUint32(0, text.length, true);
  return concatenate([length, text, ...data]);
}

function concatenate(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
