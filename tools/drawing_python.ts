/**
 * A Python that can draw scenes: one that is there, or a virtual environment made for it.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** Where what is made for drawing is kept; git ignores it. */
export const CACHE = fileURLToPath(new URL("./scenes/.cache", import.meta.url));

const REQUIREMENTS = fileURLToPath(new URL("./scenes/requirements-draw.txt", import.meta.url));
const ENVIRONMENT = `${CACHE}/venv`;
const ENVIRONMENT_PYTHON = Deno.build.os === "windows"
  ? `${ENVIRONMENT}/Scripts/python.exe`
  : `${ENVIRONMENT}/bin/python`;

/** Prints the versions in the spelling of requirements files. */
const PROBE = `import PIL, numpy; print(f"numpy=={numpy.__version__} pillow=={PIL.__version__}")`;

/** An interpreter with Pillow and numpy. */
export interface DrawingPython {
  command: string;
  /** Such as `numpy==2.4.6 pillow==13.0.0`. */
  versions: string;
}

/** Scenes cannot be drawn here; the message says what to install. */
export class DrawingError extends Error {
  override readonly name = "DrawingError";
}

/** The first of $PYTHON, python3 and the environment made earlier that can draw. */
export async function findDrawingPython(): Promise<DrawingPython | undefined> {
  for (const command of [...interpreters(), ENVIRONMENT_PYTHON]) {
    const probed = await run(command, ["-c", PROBE]);
    if (!probed?.success) continue;
    const versions = probed.stdout.trim();
    // Its pins may have changed since it was made.
    if (command === ENVIRONMENT_PYTHON && !isPinned(versions)) continue;
    return { command, versions };
  }
}

/**
 * Makes the environment anew; downloads Pillow and numpy.
 *
 * @throws {DrawingError} When there is no Python, or it cannot install. The signal's reason when it fires.
 */
export async function installDrawingPython(signal: AbortSignal): Promise<DrawingPython> {
  const base = await findInterpreter();
  const steps = [
    { command: base, args: ["-m", "venv", "--clear", ENVIRONMENT], remedy: "venv (Debian: python3-venv)" },
    {
      command: ENVIRONMENT_PYTHON,
      args: ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS],
      remedy: "Python 3.11 or later, or Pillow and numpy for the one that is there",
    },
  ];
  for (const { command, args, remedy } of steps) {
    const done = await run(command, args, signal);
    signal.throwIfAborted();
    if (done?.success) continue;
    const complaint = lastLine(done?.stderr ?? "") || lastLine(done?.stdout ?? "");
    throw new DrawingError(`Cannot install Pillow and numpy: install ${remedy}; ${complaint}`);
  }
  const made = await findDrawingPython();
  if (made) return made;
  throw new DrawingError(`Cannot use Pillow and numpy in "${ENVIRONMENT}": remove it and try again`);
}

/** The last line with something in it: what a failing Python says in the end. */
export function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1)!.trim();
}

function interpreters(): string[] {
  const wanted = Deno.env.get("PYTHON");
  return wanted ? [wanted, "python3"] : ["python3"];
}

async function findInterpreter(): Promise<string> {
  for (const command of interpreters()) {
    if ((await run(command, ["--version"]))?.success) return command;
  }
  throw new DrawingError("Cannot draw scenes: install Python 3.11 or later, with venv and pip");
}

function isPinned(versions: string): boolean {
  const pins = Deno.readTextFileSync(REQUIREMENTS).trim().split(/\s+/);
  return versions.split(" ").every((version) => pins.includes(version));
}

/** Runs to the end; `undefined` when there is no such program. */
async function run(
  command: string,
  args: string[],
  signal?: AbortSignal,
): Promise<{ success: boolean; stdout: string; stderr: string } | undefined> {
  try {
    const child = new Deno.Command(command, { args, stdin: "null", signal });
    const { success, stdout, stderr } = await child.output();
    const decoder = new TextDecoder();
    return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return undefined;
    }
    throw error;
  }
}
