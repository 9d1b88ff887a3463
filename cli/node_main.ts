import { main } from "./main.ts";

console.error(main);
