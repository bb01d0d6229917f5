import { defineConfig } from "vite";

export default defineConfig({
  // Addresses are relative to the page, so that Parley may stand behind a path of somebody's proxy.
  base: "./",
  build: {
    assetsDir: "explorer",
    // Only the editor is that large, and it is what people come for.
    chunkSizeWarningLimit: 8000,
  },
  worker: { format: "es" },
});
