/**
 * The page: a conversation with a model of the server that it came from, and of no other.
 *
 * @module
 */
import { HeatMap } from "./heat_map.js";
import { renderMarkdown } from "./markdown.js";
import { PendingPictures } from "./pictures.js";
import { listModels, RequestFailed, streamChat } from "./stream.js";

const element = (id) => document.getElementById(id);
const conversation = element("conversation"), composer = element("composer"), input = element("input");
const pictures = new PendingPictures(element("pictures"), (text) => showError(text));

/**
 * What was said. A turn of the user has text and pictures; one of the assistant has text, thinking, a heat map and figures.
 *
 * @type {{ role: "user" | "assistant", text: string, pictures: string[], reasoning?: string, heat?: HeatMap, note?: string, error?: string, showsHeat?: boolean }[]}
 */
let turns = [];
/** @type {AbortController | undefined} */
let running;
/** @type {Map<string, { vision: boolean }>} */
let models = new Map();

const number = (id) => element(id).value === "" ? undefined : Number(element(id).value);

/** The conversation as the server takes it. */
function requestBody() {
  const system = element("system").value.trim();
  const hasPictures = turns.some((turn) => turn.pictures.length > 0);
  return {
    model: element("model").value,
    messages: [
      ...(system === "" ? [] : [{ role: "system", content: system }]),
      ...turns.slice(0, -1).map(({ role, text, pictures }) => ({
        role,
        content: pictures.length === 0 ? text : [
          ...pictures.map((url) => ({ type: "image_url", image_url: { url } })),
          ...(text === "" ? [] : [{ type: "text", text }]),
        ],
      })),
    ],
    temperature: number("temperature"),
    max_completion_tokens: number("max-tokens"),
    seed: number("seed"),
    attention: hasPictures && element("attention").checked ? true : undefined,
    stream: true,
    stream_options: { include_usage: true },
  };
}

/** Answers the last turn, which is the user's. */
async function answer() {
  const turn = {
    role: "assistant",
    text: "",
    pictures: [],
    reasoning: "",
    heat: new HeatMap(),
    showsHeat: true,
  };
  turns.push(turn);
  running = new AbortController();
  render();
  let first, usage;
  try {
    for await (
      const chunk of streamChat(requestBody(), { key: element("api-key").value, signal: running.signal })
    ) {
      usage = chunk.usage ?? usage;
      const [choice] = chunk.choices;
      if (!choice) continue;
      first ??= performance.now();
      turn.text += choice.delta.content ?? "";
      turn.reasoning += choice.delta.reasoning ?? "";
      if (choice.attention) turn.heat.add(choice.attention);
      if (choice.finish_reason === "length") turn.note = "cut at the limit of tokens";
      renderSoon();
    }
    turn.note = [turn.note, speed(usage, first)].filter(Boolean).join("; ");
  } catch (error) {
    if (running.signal.aborted) turn.note = "stopped";
    else if (error instanceof RequestFailed) turn.error = error.message;
    else throw error;
  } finally {
    running = undefined;
    render();
  }
}

function speed(usage, first) {
  if (!usage || first === undefined) return "";
  const seconds = (performance.now() - first) / 1000;
  return `${usage.completion_tokens} tokens, ${
    (usage.completion_tokens / Math.max(seconds, 0.001)).toFixed(1)
  } tokens/s`;
}

/** Makes an element with attributes and children. */
function make(name, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
}

/** Pictures of the conversation before a turn, with those of the turn itself. */
const picturesBefore = (index) => turns.slice(0, index).reduce((sum, turn) => sum + turn.pictures.length, 0);

/** The last answer's map, over the pictures that it saw. */
function heatOf(index) {
  const answered = turns.slice(index + 1).findLast((turn) => turn.role === "assistant" && !turn.heat.isEmpty);
  return answered?.showsHeat ? answered.heat : undefined;
}

function renderPictures(turn, index) {
  const first = picturesBefore(index), heat = heatOf(index);
  return turn.pictures.map((url, i) => {
    const canvas = make("canvas", { hidden: true });
    heat?.draw(first + i, canvas);
    return make("figure", {}, make("img", { src: url, alt: `picture ${first + i + 1}` }), canvas);
  });
}

function renderTurn(turn, index) {
  const isLast = index === turns.length - 1, isIdle = running === undefined;
  const content = make("div", { className: "content" });
  if (turn.role === "user") content.append(turn.text);
  else content.append(renderMarkdown(turn.text));
  const article = make("article", { className: turn.role }, ...renderPictures(turn, index));
  if (turn.reasoning) {
    article.append(
      make(
        "details",
        { className: "reasoning", open: turn.text === "" },
        make("summary", {}, "Thinking"),
        turn.reasoning,
      ),
    );
  }
  article.append(content);
  if (turn.error) article.append(make("p", { className: "error", role: "alert" }, turn.error));
  const footer = make("footer");
  if (turn.role === "user" && isIdle) {
    footer.append(make("button", { type: "button", onclick: () => edit(index) }, "Edit"));
  }
  if (turn.role === "assistant") {
    if (isLast && isIdle) {
      footer.append(
        make("button", { type: "button", onclick: regenerate }, turn.error ? "Try again" : "Regenerate"),
      );
    }
    if (!turn.heat.isEmpty && isIdle) {
      const toggle = () => (turn.showsHeat = !turn.showsHeat, render());
      footer.append(
        make(
          "button",
          { type: "button", onclick: toggle },
          turn.showsHeat ? "Hide where it looked" : "Show where it looked",
        ),
      );
    }
    footer.append(isLast && !isIdle ? "…" : turn.note ?? "");
  }
  article.append(footer);
  return article;
}

function render() {
  const isAtEnd = conversation.scrollHeight - conversation.scrollTop - conversation.clientHeight < 40;
  conversation.replaceChildren(...turns.map(renderTurn));
  if (isAtEnd) conversation.scrollTop = conversation.scrollHeight;
  element("send").hidden = running !== undefined;
  element("stop").hidden = running === undefined;
}

let isRenderDue = false;

/** At most once a frame, however many tokens come. */
function renderSoon() {
  if (isRenderDue) return;
  isRenderDue = true;
  requestAnimationFrame(() => {
    isRenderDue = false;
    render();
  });
}

function showError(text) {
  conversation.append(make("p", { className: "error", role: "alert" }, text));
}

function send() {
  const text = input.value.trim();
  if (running || (text === "" && pictures.isEmpty)) return;
  const { vision } = models.get(element("model").value) ?? { vision: false };
  if (!pictures.isEmpty && !vision) return showError("This model cannot look at pictures.");
  turns.push({ role: "user", text, pictures: pictures.take() });
  input.value = "";
  conversation.scrollTop = conversation.scrollHeight;
  answer();
}

function regenerate() {
  turns = turns.slice(0, -1);
  answer();
}

function edit(index) {
  const turn = turns[index];
  turns = turns.slice(0, index);
  input.value = turn.text;
  pictures.set(turn.pictures);
  render();
  input.focus();
}

async function loadModels() {
  try {
    const found = await listModels(element("api-key").value);
    models = new Map(found.map((model) => [model.id, model]));
    element("model").replaceChildren(...found.map(({ id }) => make("option", { value: id }, id)));
  } catch (error) {
    showError(error instanceof RequestFailed ? error.message : "The server does not answer.");
  }
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
element("settings").addEventListener("submit", (event) => event.preventDefault());
element("stop").addEventListener("click", () => running?.abort());
element("new").addEventListener("click", () => {
  running?.abort();
  turns = [];
  render();
  input.focus();
});
element("settings-button").addEventListener("click", ({ currentTarget }) => {
  const { hidden } = element("settings");
  element("settings").hidden = !hidden;
  currentTarget.setAttribute("aria-expanded", `${hidden}`);
});
element("api-key").addEventListener("change", loadModels);
element("picker").addEventListener("change", async ({ currentTarget }) => {
  await pictures.add(currentTarget.files);
  currentTarget.value = "";
});
input.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  }
  if (event.key === "ArrowUp" && input.value === "" && !running) {
    const last = turns.findLastIndex(({ role }) => role === "user");
    if (last >= 0) edit(last);
  }
});
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape") running?.abort();
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length === 0) return;
  event.preventDefault();
  pictures.add(event.clipboardData.files);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  composer.classList.add("over");
});
document.addEventListener("dragleave", () => composer.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  composer.classList.remove("over");
  pictures.add(event.dataTransfer.files);
});

loadModels();
