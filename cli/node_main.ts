#!/usr/bin/env node
/**
 * The npm package's `remora`: a program of its own, for its first line.
 *
 * @module
 */
import "./main.ts";
