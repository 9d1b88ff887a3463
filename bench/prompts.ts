/**
 * What is asked of a server under load.
 *
 * @module
 */

/** Questions to the model of the repository. */
export const PROMPTS = [
  "Describe the picture.",
  "How many objects are there?",
  "Is there a star?",
  "What colour is the cross?",
  "Where is the circle?",
  "Name the shapes.",
  "There are two stars.",
  "What is on the left?",
];
