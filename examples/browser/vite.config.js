// Isolated from other origins, a page may share memory between threads; without these headers there is one.
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default {
  base: "./",
  server: { headers },
  preview: { headers },
  worker: { format: "es" },
  build: { target: "es2022", assetsInlineLimit: 0 },
  // Files beside the packages' programs must be found beside them.
  optimizeDeps: { exclude: ["@remora/remora", "@remora/scenes-mllama-int4"] },
};
