/**
 * Measurements by prom-client, which needs Node's built-ins.
 *
 * @module
 */
import process from "node:process";
import type { MetricsRegistry } from "./platform.ts";

/** A registry of its own; the package is loaded with the first. */
export async function createPrometheus(): Promise<MetricsRegistry> {
  const { Counter, Gauge, Histogram, Registry } = await import("npm:prom-client@15.1.3");
  const registry = new Registry();
  const registers = [registry];
  new Gauge({
    name: "process_resident_memory_bytes",
    help: "Memory that the process takes.",
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    gauge(name, help, read) {
      new Gauge({
        name,
        help,
        registers,
        labelNames: ["model_name"],
        collect() {
          for (const { model, value } of read()) this.set({ model_name: model }, value);
        },
      });
    },
    counter(name, help, label) {
      const counter = new Counter({
        name: `${name}_total`,
        help,
        registers,
        labelNames: ["model_name", ...(label ? [label] : [])],
      });
      return (model, value, labelled) =>
        counter.inc({ model_name: model, ...(label && { [label]: labelled ?? "" }) }, value);
    },
    histogram(name, help, buckets) {
      const histogram = new Histogram({
        name,
        help,
        buckets: [...buckets],
        registers,
        labelNames: ["model_name"],
      });
      return (model, value) => histogram.observe({ model_name: model }, value);
    },
  };
}
