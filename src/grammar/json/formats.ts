/**
 * Formats of strings, as regular expressions.
 *
 * @module
 */

const OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
const IPV4 = `${OCTET}(\\.${OCTET}){3}`;
const H16 = "[0-9a-fA-F]{1,4}";
const LS32 = `(${H16}:${H16}|${IPV4})`;
/** RFC 3986, appendix A. */
const IPV6 = [
  `(${H16}:){6}${LS32}`,
  `::(${H16}:){5}${LS32}`,
  `(${H16})?::(${H16}:){4}${LS32}`,
  `((${H16}:){0,1}${H16})?::(${H16}:){3}${LS32}`,
  `((${H16}:){0,2}${H16})?::(${H16}:){2}${LS32}`,
  `((${H16}:){0,3}${H16})?::${H16}:${LS32}`,
  `((${H16}:){0,4}${H16})?::${LS32}`,
  `((${H16}:){0,5}${H16})?::${H16}`,
  `((${H16}:){0,6}${H16})?::`,
].join("|");
const LABEL = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
const HOSTNAME = `${LABEL}(\\.${LABEL})*`;
const DAY_OF_MONTH = "(0[1-9]|1[0-9]|2[0-8])";
const LEAP_YEAR = "(([0-9]{2}(0[48]|[2468][048]|[13579][26]))|(([02468][048]|[13579][26])00))";
const DATE =
  `(([0-9]{4}-((0[13578]|1[02])-(${DAY_OF_MONTH}|29|3[01])|(0[469]|11)-(${DAY_OF_MONTH}|29|30)|02-${DAY_OF_MONTH}))|` +
  `${LEAP_YEAR}-02-29)`;
const OFFSET = "([zZ]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
/** Without leap seconds: which minutes have one depends on the offset. */
const TIME = `([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]+)?${OFFSET}`;
const ATOM = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+";
/** RFC 5321's quoted local part. */
const QUOTED = '"([ !#-\\[\\]-~]|\\\\[ -~])*"';
const ENCODED = "%[0-9a-fA-F]{2}";
const PCHAR = `([a-zA-Z0-9._~!$&'()*+,;=:@-]|${ENCODED})`;
const AUTHORITY =
  `(([a-zA-Z0-9._~!$&'()*+,;=:-]|${ENCODED})*@)?(\\[(${IPV6})\\]|([a-zA-Z0-9._~!$&'()*+,;=-]|${ENCODED})*)(:[0-9]*)?`;
const QUERY = `(\\?(${PCHAR}|[/?])*)?`;
const FRAGMENT = `(#(${PCHAR}|[/?])*)?`;
const HIERARCHY = `(//${AUTHORITY}(/${PCHAR}*)*|/(${PCHAR}+(/${PCHAR}*)*)?|${PCHAR}+(/${PCHAR}*)*|)`;
const URI = `[a-zA-Z][a-zA-Z0-9+.-]*:${HIERARCHY}${QUERY}${FRAGMENT}`;
const PCHAR_WITHOUT_COLON = `([a-zA-Z0-9._~!$&'()*+,;=@-]|${ENCODED})`;
const RELATIVE =
  `(//${AUTHORITY}(/${PCHAR}*)*|/(${PCHAR}+(/${PCHAR}*)*)?|${PCHAR_WITHOUT_COLON}+(/${PCHAR}*)*|)${QUERY}${FRAGMENT}`;
const DURATION_TIME = "T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S)";
const DURATION_DATE = "([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)";

/** By name. A text has the format when the whole of it matches. */
export const FORMATS: Readonly<Record<string, string>> = {
  "date": DATE,
  "time": TIME,
  "date-time": `${DATE}[tT]${TIME}`,
  "duration": `P(${DURATION_DATE}(${DURATION_TIME})?|${DURATION_TIME}|[0-9]+W)`,
  "email": `(${ATOM}(\\.${ATOM})*|${QUOTED})@(${HOSTNAME}|\\[(${IPV4}|IPv6:(${IPV6}))\\])`,
  "hostname": `${HOSTNAME}`,
  "ipv4": IPV4,
  "ipv6": IPV6,
  "uuid": "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
  "uri": URI,
  "uri-reference": `(${URI}|${RELATIVE})`,
  "json-pointer": "(/([^~/]|~[01])*)*",
  "relative-json-pointer": "(0|[1-9][0-9]*)(#|(/([^~/]|~[01])*)*)",
};

/** Formats of the standard that no regular expression here stands for. Others mean nothing to the standard. */
export const UNSUPPORTED_FORMATS: ReadonlySet<string> = new Set([
  "idn-email",
  "idn-hostname",
  "iri",
  "iri-reference",
  "regex",
  "uri-template",
]);
