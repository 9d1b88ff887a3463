/**
 * Markdown as nodes of a document.
 *
 * Text becomes text nodes and nothing else, so no answer can bring markup or a program with it; links lead to http(s) only, and
 * pictures are not loaded.
 *
 * @module
 */

const FENCE = /^\s*(```|~~~)\s*([\w+-]*)/;
const HEADING = /^(#{1,6})\s+(.*)$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const RULE = /^\s*([-*_])(\s*\1){2,}\s*$/;
const TABLE_LINE = /^\s*\|?(\s*:?-+:?\s*\|)+\s*:?-*:?\s*$/;

/**
 * The nodes of a text, which may be cut anywhere.
 *
 * @param {string} text
 * @returns {DocumentFragment}
 */
export function renderMarkdown(text) {
  const fragment = document.createDocumentFragment();
  blocks(text.split("\n"), fragment);
  return fragment;
}

function blocks(lines, parent) {
  for (let i = 0; i < lines.length;) {
    const line = lines[i];
    if (line.trim() === "") i++;
    else if (FENCE.test(line)) i = codeBlock(lines, i, parent);
    else if (HEADING.test(line)) {
      const [, marks, title] = HEADING.exec(line);
      inline(title, add(parent, `h${marks.length}`));
      i++;
    } else if (RULE.test(line)) {
      add(parent, "hr");
      i++;
    } else if (line.startsWith(">")) i = quote(lines, i, parent);
    else if (ITEM.test(line)) i = list(lines, i, parent);
    else if (line.includes("|") && TABLE_LINE.test(lines[i + 1] ?? "")) i = table(lines, i, parent);
    else i = paragraph(lines, i, parent);
  }
}

function codeBlock(lines, begin, parent) {
  const [, fence] = FENCE.exec(lines[begin]);
  let end = begin + 1;
  while (end < lines.length && !lines[end].trim().startsWith(fence)) end++;
  add(add(parent, "pre"), "code").textContent = lines.slice(begin + 1, end).join("\n");
  return end + 1;
}

function quote(lines, begin, parent) {
  let end = begin;
  while (end < lines.length && lines[end].startsWith(">")) end++;
  blocks(lines.slice(begin, end).map((line) => line.replace(/^>\s?/, "")), add(parent, "blockquote"));
  return end;
}

function list(lines, begin, parent) {
  const [, indent, mark] = ITEM.exec(lines[begin]);
  const isOrdered = /\d/.test(mark);
  const element = add(parent, isOrdered ? "ol" : "ul");
  if (isOrdered) element.start = Number.parseInt(mark, 10);
  let i = begin;
  while (i < lines.length) {
    const found = ITEM.exec(lines[i]);
    if (!found || found[1].length < indent.length || /\d/.test(found[2]) !== isOrdered) break;
    const inside = [found[3]];
    i++;
    // What is indented deeper belongs to the item.
    while (i < lines.length && /^\s+\S/.test(lines[i]) && lines[i].search(/\S/) > indent.length) {
      inside.push(lines[i++].slice(indent.length + 2));
    }
    const [first, ...rest] = inside;
    const item = add(element, "li");
    inline(first, item);
    if (rest.length > 0) blocks(rest, item);
  }
  return i;
}

function table(lines, begin, parent) {
  const element = add(parent, "table");
  const row = (line, kind) => {
    const cells = line.trim().replace(/^\||\|$/g, "").split("|");
    const tr = add(element, "tr");
    for (const cell of cells) inline(cell.trim(), add(tr, kind));
  };
  row(lines[begin], "th");
  let i = begin + 2;
  for (; i < lines.length && lines[i].includes("|"); i++) row(lines[i], "td");
  return i;
}

function paragraph(lines, begin, parent) {
  let end = begin + 1;
  const isOther = (line) =>
    line.trim() === "" || FENCE.test(line) || HEADING.test(line) || ITEM.test(line) || line.startsWith(">");
  while (end < lines.length && !isOther(lines[end])) end++;
  const element = add(parent, "p");
  lines.slice(begin, end).forEach((line, i) => {
    if (i > 0) add(element, "br");
    inline(line, element);
  });
  return end;
}

/** Code, bold, italics and links; the first alternative that matches at a place wins. */
const INLINE =
  /(`+)(.+?)\1|\*\*(.+?)\*\*|__(.+?)__|\*([^*\s][^*]*?)\*|\b_([^_]+?)_\b|\[([^\]]*)\]\((\S+?)\)|(https?:\/\/[^\s<>)"']+)/;

function inline(text, parent) {
  let rest = text;
  while (rest !== "") {
    const found = INLINE.exec(rest);
    if (!found) break;
    parent.append(rest.slice(0, found.index));
    rest = rest.slice(found.index + found[0].length);
    const [whole, , code, bold, strong, italic, emphasis, label, target, url] = found;
    if (code !== undefined) add(parent, "code").textContent = code;
    else if (bold ?? strong) inline(bold ?? strong, add(parent, "strong"));
    else if (italic ?? emphasis) inline(italic ?? emphasis, add(parent, "em"));
    else if (!link(target ?? url, label ?? url, parent)) parent.append(whole);
  }
  parent.append(rest);
}

function link(target, label, parent) {
  if (!/^https?:\/\//i.test(target)) return false;
  const element = add(parent, "a");
  element.href = target;
  element.rel = "noopener noreferrer nofollow";
  element.target = "_blank";
  element.textContent = label;
  return true;
}

function add(parent, name) {
  const element = document.createElement(name);
  parent.append(element);
  return element;
}
