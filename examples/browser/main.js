const [drop, file, form, question, answer, state] = ["drop", "file", "form", "question", "answer", "state"]
  .map((id) => document.getElementById(id));
const button = form.querySelector("button");
const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
let picture;
let isReady = false;

worker.onmessage = ({ data }) => {
  if (data.ready) {
    isReady = true;
    state.textContent = `ready: ${data.ready}`;
  } else if (data.text !== undefined) answer.textContent += data.text;
  else if (data.done) state.textContent = data.done;
  else state.textContent = data.error;
  if (data.text === undefined) button.disabled = !isReady || !picture;
};

async function show(chosen) {
  if (!chosen) return;
  picture = new Uint8Array(await chosen.arrayBuffer());
  const image = new Image();
  image.src = URL.createObjectURL(chosen);
  image.alt = chosen.name;
  drop.querySelector("img, span").replaceWith(image);
  answer.textContent = "";
  button.disabled = !isReady;
}

file.onchange = () => show(file.files[0]);
drop.ondragover = (event) => {
  event.preventDefault();
  drop.classList.add("over");
};
drop.ondragleave = () => drop.classList.remove("over");
drop.ondrop = (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  show(event.dataTransfer.files[0]);
};
form.onsubmit = (event) => {
  event.preventDefault();
  if (button.disabled) return;
  button.disabled = true;
  answer.textContent = "";
  state.textContent = "looking …";
  worker.postMessage({ question: question.value, picture });
};
