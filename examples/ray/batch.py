"""Many prompts over several replicas with Ray Data; what is stopped goes on where it was.

    pip install 'ray[data]' httpx
    python examples/ray/batch.py prompts.jsonl answers --replicas 2
    cat answers/*.json > answers.jsonl

Each line of prompts.jsonl is {"id": ..., "prompt": ...}, with "image" (a path) where the model sees. Each answer is a file of its own,
named by its id and renamed into place: one that is there is whole, is not asked for again, and cannot be there twice. What the server
refuses has "error" in place of "answer"; remove its file to have it asked for again. REMORA is the command of a replica.
"""
import argparse, base64, json, mimetypes, os, pathlib, socket, subprocess, time
from concurrent.futures import ThreadPoolExecutor
import httpx
import ray

COMMAND = os.environ.get("REMORA", "deno run -A cli/main.ts serve models/scenes-mllama-int4 --threads 1").split()
# It ends with its worker, however that ends.
WATCHED = ["setpriv", "--pdeathsig", "KILL"]
# Requests at once; a server answers 8 by default.
CONCURRENT = 8


class Answers:
    """A worker with a server of its own."""

    def __init__(self, folder: str, max_tokens: int):
        self.folder, self.max_tokens = pathlib.Path(folder), max_tokens
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.server = subprocess.Popen([*WATCHED, *COMMAND, "--port", str(port)])
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600)
        while not self.is_ready():
            if self.server.poll() is not None:
                raise RuntimeError(f"{' '.join(COMMAND)} ended with code {self.server.returncode}")
            time.sleep(0.05)
        self.model = self.client.get("/v1/models").json()["data"][0]["id"]
        self.pool = ThreadPoolExecutor(CONCURRENT)

    def is_ready(self) -> bool:
        try:
            return self.client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, row: dict) -> dict:
        """The answer, or what the server has against the request."""
        content = [{"type": "text", "text": row["prompt"]}]
        if row["image"]:
            kind = mimetypes.guess_type(row["image"])[0] or "image/png"
            data = base64.b64encode(pathlib.Path(row["image"]).read_bytes()).decode()
            content.insert(0, {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}})
        body = {"model": self.model, "messages": [{"role": "user", "content": content}],
                "max_tokens": self.max_tokens, "temperature": 0}
        response = self.client.post("/v1/chat/completions", json=body)
        while response.status_code in (429, 503):
            time.sleep(float(response.headers.get("retry-after", 1)))
            response = self.client.post("/v1/chat/completions", json=body)
        if response.is_client_error:
            return {"error": response.json()["error"]["message"]}
        return {"answer": response.raise_for_status().json()["choices"][0]["message"]["content"]}

    def write(self, row: dict) -> str:
        file = self.folder / f"{row['id']}.json"
        if not file.exists():  # A worker that ended may have come as far as this one.
            try:
                answer = self.ask(row)
            except OSError as error:
                answer = {"error": str(error)}
            except httpx.TransportError:
                os._exit(1)  # Its server is gone. Ray starts another worker and gives it the same prompts.
            partial = self.folder / f".{row['id']}.{os.getpid()}.partial"
            partial.write_text(json.dumps({"id": row["id"], **answer}) + "\n")
            partial.rename(file)
        return row["id"]

    def __call__(self, batch: dict) -> dict:
        rows = [dict(zip(batch, values)) for values in zip(*batch.values())]
        return {"id": list(self.pool.map(self.write, rows))}


def read_prompts(file: str) -> dict[str, dict]:
    """Rows by their ids."""
    rows: dict[str, dict] = {}
    for number, line in enumerate(pathlib.Path(file).read_text().splitlines(), 1):
        row = json.loads(line)
        if "id" not in row or "prompt" not in row:
            raise SystemExit(f"{file}, line {number}: expected an id and a prompt, found {line[:80]}")
        id = str(row["id"])
        # It becomes a file's name.
        if not id.replace("-", "").replace("_", "").isalnum() or id in rows:
            raise SystemExit(f"{file}, line {number}: expected an id of its own of letters, digits, - and _, found {id!r}")
        rows[id] = {"id": id, "prompt": row["prompt"], "image": row.get("image") or ""}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts")
    parser.add_argument("answers")
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--max-tokens", type=int, default=256)
    options = parser.parse_args()
    rows = read_prompts(options.prompts)
    folder = pathlib.Path(options.answers).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    left = [row for id, row in rows.items() if not (folder / f"{id}.json").exists()]
    print(f"{len(rows)} prompts, {len(rows) - len(left)} answered before, {len(left)} left", flush=True)
    if left:
        ray.init(num_cpus=options.replicas + 1, include_dashboard=False, logging_level="warning")
        data = ray.data.from_items(left, override_num_blocks=max(1, len(left) // 32))
        data.map_batches(
            Answers,
            fn_constructor_args=(str(folder), options.max_tokens),
            batch_size=32,
            compute=ray.data.ActorPoolStrategy(size=options.replicas),
        ).materialize()
    for partial in folder.glob(".*.partial"):
        partial.unlink()
    failed = sum("error" in json.loads(file.read_text()) for file in folder.glob("*.json"))
    print(f"{len(list(folder.glob('*.json')))} answers in {folder}, {failed} of them errors")


if __name__ == "__main__":
    main()
