/** How a model of 135 million parameters fits into the 128 MB of a Worker. */
export const SMALL = { embeddings: "int8", kvCache: "int8", contextSize: 512, passTokens: 32 };
