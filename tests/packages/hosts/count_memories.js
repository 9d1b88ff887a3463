// Imported before anything that makes memories: what they take together.
const memories = [];
const Memory = WebAssembly.Memory;
WebAssembly.Memory = class extends Memory {
  constructor(descriptor) {
    super(descriptor);
    memories.push(this);
  }
};

export const memoryBytes = () => memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
