export interface Pixels {
  width: number;
  height: number;
  data: Uint8Array;
}
export function decodeImage(_i: unknown): Promise<Pixels> {
  throw new Error("stub");
}
