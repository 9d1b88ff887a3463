/**
 * Pictures that are about to be sent: dropped, pasted or picked.
 *
 * @module
 */

const TYPES = ["image/png", "image/jpeg", "image/webp"];
/** Of a file; the server takes 64 MiB for a whole conversation, a third of it lost to base64. */
const BYTES_MAX = 20 * 1024 * 1024;

/** Shows pictures in an element and keeps their data. */
export class PendingPictures {
  #element;
  /** @type {string[]} */
  #urls = [];

  /**
   * @param {HTMLElement} element
   * @param {(text: string) => void} onRefused
   */
  constructor(element, onRefused) {
    this.#element = element;
    this.onRefused = onRefused;
  }

  /** @param {Iterable<File>} files */
  async add(files) {
    for (const file of files) {
      if (!TYPES.includes(file.type)) this.onRefused(`${file.name}: not a PNG, JPEG or WebP picture`);
      else if (file.size > BYTES_MAX) {
        this.onRefused(`${file.name}: larger than ${BYTES_MAX / 1024 / 1024} MiB`);
      } else this.#urls.push(await dataUrl(file));
    }
    this.#show();
  }

  /** @param {string[]} urls */
  set(urls) {
    this.#urls = [...urls];
    this.#show();
  }

  /** Takes all of them away. */
  take() {
    const urls = this.#urls;
    this.set([]);
    return urls;
  }

  get isEmpty() {
    return this.#urls.length === 0;
  }

  #show() {
    this.#element.replaceChildren(...this.#urls.map((url, i) => {
      const figure = document.createElement("figure");
      const image = document.createElement("img");
      image.src = url;
      image.alt = `picture ${i + 1}`;
      const remove = document.createElement("button");
      remove.type = "button";
      remove.textContent = "×";
      remove.ariaLabel = `Remove picture ${i + 1}`;
      remove.onclick = () => this.set(this.#urls.toSpliced(i, 1));
      figure.append(image, remove);
      return figure;
    }));
  }
}

/** @returns {Promise<string>} */
function dataUrl(file) {
  const { promise, resolve, reject } = Promise.withResolvers();
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result);
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(file);
  return promise;
}
