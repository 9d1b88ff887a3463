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

const two = (value: number) => String(value).padStart(2, "0");

/** The directives that published templates use, and their nearest relatives. */
const DIRECTIVES: Record<string, (date: Date) => string> = {
  "%Y": (date) => String(date.getFullYear()),
  "%y": (date) => two(date.getFullYear() % 100),
  "%m": (date) => two(date.getMonth() + 1),
  "%B": (date) => MONTHS[date.getMonth()],
  "%b": (date) => MONTHS[date.getMonth()].slice(0, 3),
  "%d": (date) => two(date.getDate()),
  "%-d": (date) => String(date.getDate()),
  "%A": (date) => DAYS[date.getDay()],
  "%a": (date) => DAYS[date.getDay()].slice(0, 3),
  "%H": (date) => two(date.getHours()),
  "%I": (date) => two(date.getHours() % 12 || 12),
  "%M": (date) => two(date.getMinutes()),
  "%S": (date) => two(date.getSeconds()),
  "%p": (date) => date.getHours() < 12 ? "AM" : "PM",
  "%%": () => "%",
};

/**
 * `datetime.strftime` in the C locale and local time: month names do not depend on the host's language.
 *
 * @throws {Error} For a directive that is not known here.
 */
export function strftime(date: Date, format: string): string {
  return format.replace(/%-?[\s\S]?/g, (directive) => {
    const write = DIRECTIVES[directive];
    if (write === undefined) throw new Error(`strftime directive ${directive} is not known`);
    return write(date);
  });
}
