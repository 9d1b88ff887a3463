#!/usr/bin/env node
/**
 * The npm package's `remora`: a program of its own, for its first line, and for who has a Node that is too old to read the rest.
 *
 * @module
 */
import process from "node:process";

/** The first that has all that is used; package.json's "engines" says the same. */
const FIRST_NODE = 22;

if (Number.parseInt(process.versions.node) >= FIRST_NODE) await import("./main.ts");
else {
  console.error(`remora: Cannot run: expected Node ${FIRST_NODE} or later, found ${process.versions.node}`);
  process.exitCode = 1;
}
