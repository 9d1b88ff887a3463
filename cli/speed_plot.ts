/**
 * Speed as a picture: against the depth of the sequence and against threads, a row of panels for each test.
 *
 * @module
 */
import { describeInteger } from "./figures.ts";
import { describeThreads, type SpeedResult } from "./speed.ts";

/** Pixels. A panel's margins hold its axis labels on the left and below, its lines' names on the right. */
const PANEL = { width: 440, height: 270, left: 64, right: 96, top: 34, bottom: 48 };
const TITLE_HEIGHT = 34;
/** Labels on one axis keep this distance. */
const LABEL_GAP = 36;
const NAME_GAP = 14;
/** Dark enough on white, and told apart by people who see few colours (P. Tol's "bright" scheme). */
const COLOURS = ["#4477aa", "#ee6677", "#228833", "#aa3377", "#997700", "#0099bb"];

/** What a panel shows: a line for each series, a point for each result. */
interface Panel {
  title: string;
  xLabel: string;
  x(result: SpeedResult): number;
  series(result: SpeedResult): string;
}

const PANELS: readonly Panel[] = [
  {
    title: "against depth",
    xLabel: "tokens in the sequence before",
    x: ({ depth }) => depth,
    series: ({ threads }) => describeThreads(threads),
  },
  {
    title: "against threads",
    xLabel: "threads",
    x: ({ threads }) => threads,
    series: ({ depth }) => `depth ${describeInteger(depth)}`,
  },
];

/** An SVG picture. Points are medians, whiskers reach from the worst repetition to the best. */
export function drawSpeed(title: string, results: readonly SpeedResult[]): string {
  const tests = [...new Set(results.map(({ test }) => test))];
  const width = PANELS.length * PANEL.width;
  const height = TITLE_HEIGHT + tests.length * PANEL.height;
  const rows = tests.map((test, row) => {
    const ofTest = results.filter((result) => result.test === test);
    return PANELS.map((panel, column) => {
      const place = `translate(${column * PANEL.width} ${TITLE_HEIGHT + row * PANEL.height})`;
      return `<g transform="${place}">${drawPanel(test, panel, ofTest)}</g>`;
    }).join("\n");
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"
 font-family="sans-serif" font-size="12" fill="#333333">
<rect width="${width}" height="${height}" fill="#ffffff"/>
<text x="${PANEL.left}" y="22" font-size="14">${escape(title)}</text>
${rows.join("\n")}
</svg>
`;
}

function drawPanel(test: string, panel: Panel, results: readonly SpeedResult[]): string {
  const { left, right, top, bottom } = PANEL;
  const plotRight = PANEL.width - right, plotBottom = PANEL.height - bottom;
  const xs = [...new Set(results.map(panel.x))].sort((a, b) => a - b);
  const low = xs[0], high = xs[xs.length - 1];
  // A single value stands in the middle.
  const xAt = (x: number) => {
    const share = high > low ? (x - low) / (high - low) : 0.5;
    return round(left + 12 + share * (plotRight - left - 24));
  };
  const ticks = ticksTo(Math.max(...results.map(({ max }) => max)));
  const yAt = (y: number) => round(plotBottom - y / ticks[ticks.length - 1] * (plotBottom - top));

  const parts = [
    text(left, top - 14, `${test} ${panel.title}`, 'font-weight="bold"'),
    text((left + plotRight) / 2, PANEL.height - 12, panel.xLabel, 'text-anchor="middle"'),
    `<text transform="translate(16 ${
      (top + plotBottom) / 2
    }) rotate(-90)" text-anchor="middle">tokens per second</text>`,
  ];
  for (const tick of ticks) {
    const y = yAt(tick);
    parts.push(line(left, y, plotRight, y, tick === 0 ? "#888888" : "#e4e4e4"));
    parts.push(text(left - 8, y + 4, describeInteger(tick), 'text-anchor="end"'));
  }
  let labelled = -Infinity;
  for (const x of xs) {
    parts.push(line(xAt(x), plotBottom, xAt(x), plotBottom + 4, "#888888"));
    if (xAt(x) - labelled < LABEL_GAP) continue;
    labelled = xAt(x);
    parts.push(text(xAt(x), plotBottom + 18, describeInteger(x), 'text-anchor="middle"'));
  }
  parts.push(...drawSeries(panel, results, xAt, yAt, plotRight + 8));
  return parts.join("\n");
}

function drawSeries(
  panel: Panel,
  results: readonly SpeedResult[],
  xAt: (x: number) => number,
  yAt: (y: number) => number,
  nameX: number,
): string[] {
  const parts: string[] = [];
  const names: { name: string; colour: string; y: number }[] = [];
  [...Map.groupBy(results, panel.series)].forEach(([name, ofSeries], index) => {
    const colour = COLOURS[index % COLOURS.length];
    const points = ofSeries.toSorted((a, b) => panel.x(a) - panel.x(b))
      .map((result) => ({ ...result, x: xAt(panel.x(result)), y: yAt(result.median) }));
    const path = points.map(({ x, y }) => `${x},${y}`).join(" ");
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const { x, y, min, max } of points) {
      parts.push(line(x, yAt(min), x, yAt(max), colour));
      parts.push(`<circle cx="${x}" cy="${y}" r="3.5" fill="${colour}"/>`);
    }
    names.push({ name, colour, y: points[points.length - 1].y });
  });
  let lowest = -Infinity;
  for (const { name, colour, y } of names.sort((a, b) => a.y - b.y)) {
    lowest = Math.max(y, lowest + NAME_GAP);
    parts.push(text(nameX, lowest + 4, name, `fill="${colour}"`));
  }
  return parts;
}

/** Round numbers from 0 to at least `most`, about four steps of 1, 2 or 5 times a power of ten. */
function ticksTo(most: number): number[] {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough)!;
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${colour}"/>`;
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escape(content)}</text>`;
}

function escape(text: string): string {
  return text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
