/**
 * What a snapshot belongs to.
 *
 * @module
 */

/** What keys and values depend on beside the tokens and pictures. */
export interface SnapshotOrigin {
  /** See `ModelDigest`. */
  model: string;
  precision: string;
  dense: string;
  kvCache: string;
  /** Of models that look at pictures. */
  crossAttentionRows?: string;
}
