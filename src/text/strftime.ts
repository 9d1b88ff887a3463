/**
 * Dates as Python writes them, for chat templates that tell the model what day it is.
 *
 * @module
 */

const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const DAY_MILLISECONDS = 86_400_000;

/** Days since the first of January. */
function dayOfYear(date: Date): number {
  const day = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((day - Date.UTC(date.getFullYear(), 0, 1)) / DAY_MILLISECONDS);
}

/** Number of the week, where weeks begin at a day (0 is Sunday) and those before the first such day are 0. */
function week(date: Date, firstDay: number): number {
  const sinceFirstDay = (date.getDay() - firstDay + 7) % 7;
  return Math.floor((dayOfYear(date) - sinceFirstDay + 7) / 7);
}

/** Year and week of ISO 8601: a week belongs to the year that has its Thursday. */
function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - (date.getDay() || 7));
  return { year: thursday.getFullYear(), week: Math.floor(dayOfYear(thursday) / 7) + 1 };
}

const hour12 = (date: Date) => date.getHours() % 12 || 12;

/** Numbers: what they are, how many digits they have and what fills those up. */
const NUMBERS: Record<string, [(date: Date) => number, number, "0" | " "]> = {
  C: [(date) => Math.floor(date.getFullYear() / 100), 2, "0"],
  d: [(date) => date.getDate(), 2, "0"],
  e: [(date) => date.getDate(), 2, " "],
  G: [(date) => isoWeek(date).year, 1, "0"],
  g: [(date) => isoWeek(date).year % 100, 2, "0"],
  H: [(date) => date.getHours(), 2, "0"],
  I: [hour12, 2, "0"],
  j: [(date) => dayOfYear(date) + 1, 3, "0"],
  k: [(date) => date.getHours(), 2, " "],
  l: [hour12, 2, " "],
  M: [(date) => date.getMinutes(), 2, "0"],
  m: [(date) => date.getMonth() + 1, 2, "0"],
  S: [(date) => date.getSeconds(), 2, "0"],
  U: [(date) => week(date, 0), 2, "0"],
  u: [(date) => date.getDay() || 7, 1, "0"],
  V: [(date) => isoWeek(date).week, 2, "0"],
  W: [(date) => week(date, 1), 2, "0"],
  w: [(date) => date.getDay(), 1, "0"],
  Y: [(date) => date.getFullYear(), 1, "0"],
  y: [(date) => date.getFullYear() % 100, 2, "0"],
};

/** Words, and what consists of other directives. A clock without a zone writes none. */
const WORDS: Record<string, (date: Date) => string> = {
  A: (date) => DAYS[date.getDay()],
  a: (date) => DAYS[date.getDay()].slice(0, 3),
  B: (date) => MONTHS[date.getMonth()],
  b: (date) => MONTHS[date.getMonth()].slice(0, 3),
  c: (date) => strftime(date, "%a %b %e %H:%M:%S %Y"),
  D: (date) => strftime(date, "%m/%d/%y"),
  F: (date) => strftime(date, "%Y-%m-%d"),
  f: (date) => `${String(date.getMilliseconds()).padStart(3, "0")}000`,
  h: (date) => MONTHS[date.getMonth()].slice(0, 3),
  n: () => "\n",
  P: (date) => date.getHours() < 12 ? "am" : "pm",
  p: (date) => date.getHours() < 12 ? "AM" : "PM",
  R: (date) => strftime(date, "%H:%M"),
  r: (date) => strftime(date, "%I:%M:%S %p"),
  T: (date) => strftime(date, "%H:%M:%S"),
  t: () => "\t",
  X: (date) => strftime(date, "%H:%M:%S"),
  x: (date) => strftime(date, "%m/%d/%y"),
  Z: () => "",
  z: () => "",
  "%": () => "%",
};

/**
 * `datetime.strftime` in the C locale and local time: month names do not depend on the host's language. The signs `-`, `_`, `0` and
 * `^` of the GNU C library are known: no filling, spaces, zeros, capitals.
 *
 * @throws {Error} For a directive that is not known here.
 */
export function strftime(date: Date, format: string): string {
  return format.replace(/%([-_0^]?)([^]?)/gu, (directive, sign: string, letter: string) => {
    if (Object.hasOwn(NUMBERS, letter) && sign !== "^") {
      const [read, width, fill] = NUMBERS[letter];
      const number = String(read(date));
      return sign === "-" ? number : number.padStart(width, sign === "_" ? " " : sign === "0" ? "0" : fill);
    }
    if (Object.hasOwn(WORDS, letter) && (sign === "" || sign === "^" && /[AaBbh]/.test(letter))) {
      const word = WORDS[letter](date);
      return sign === "^" ? word.toUpperCase() : word;
    }
    throw new Error(`strftime directive ${directive} is not known`);
  });
}
