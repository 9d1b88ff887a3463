"""Many prompts over several replicas with Ray Data; what is stopped goes on where it was.

    pip install 'ray[data]' httpx
    python examples/ray/batch.py prompts.jsonl answers --replicas 2

Each line of prompts.jsonl is {"id": ..., "prompt": ...}, with "image" (a path) where the model sees. Each answer is a file of its own,
named by its id and renamed into place: one that is there is whole, is not asked for again, and cannot be there twice.
"""
import argparse, base64, json, os, pathlib, socket, subprocess, time
from concurrent.futures import ThreadPoolExecutor
import httpx
import ray

COMMAND = os.environ.get("REMORA", "deno run -A cli/main.ts serve models/scenes-mllama-int4 --threads 1").split()
# It ends with its worker, however that ends.
WATCHED = ["setpriv", "--pdeathsig", "KILL"]


class Answers:
    def __init__(self, folder: str, max_tokens: int):
        self.folder, self.max_tokens = pathlib.Path(folder), max_tokens
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        subprocess.Popen([*WATCHED, *COMMAND, "--port", str(port)])
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600)
        while not self.is_ready():
            time.sleep(0.05)
        self.model = self.client.get("/v1/models").json()["data"][0]["id"]
        self.pool = ThreadPoolExecutor(8)

    def is_ready(self) -> bool:
        try:
            return self.client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, row: dict) -> str:
        content = [{"type": "text", "text": row["prompt"]}]
        if row.get("image"):
            data = base64.b64encode(pathlib.Path(row["image"]).read_bytes()).decode()
            content.insert(0, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}})
        body = {"model": self.model, "messages": [{"role": "user", "content": content}],
                "max_tokens": self.max_tokens, "temperature": 0}
        response = self.client.post("/v1/chat/completions", json=body).raise_for_status().json()
        answer = {"id": row["id"], "answer": response["choices"][0]["message"]["content"]}
        partial = self.folder / f".{row['id']}.{os.getpid()}.partial"
        partial.write_text(json.dumps(answer))
        partial.rename(self.folder / f"{row['id']}.json")
        return row["id"]

    def __call__(self, batch: dict) -> dict:
        rows = [dict(zip(batch, values)) for values in zip(*batch.values())]
        return {"id": list(self.pool.map(self.ask, rows))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts")
    parser.add_argument("answers")
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--max-tokens", type=int, default=256)
    options = parser.parse_args()
    folder = pathlib.Path(options.answers).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with open(options.prompts) as lines:
        rows = [json.loads(line) for line in lines]
    for row in rows:
        # Its id becomes a file's name.
        if not str(row["id"]).replace("-", "").replace("_", "").isalnum():
            raise SystemExit(f"expected an id of letters, digits, - and _, found {row['id']!r}")
    left = [{**row, "id": str(row["id"])} for row in rows if not (folder / f"{row['id']}.json").exists()]
    print(f"{len(rows)} prompts, {len(rows) - len(left)} answered before, {len(left)} left", flush=True)
    if left:
        ray.init(num_cpus=options.replicas + 1, include_dashboard=False, logging_level="warning")
        data = ray.data.from_items(left, override_num_blocks=max(1, len(left) // 32))
        answered = data.map_batches(
            Answers,
            fn_constructor_args=(str(folder), options.max_tokens),
            batch_size=32,
            compute=ray.data.ActorPoolStrategy(size=options.replicas),
            max_task_retries=-1,
            max_restarts=-1,
        )
        answered.materialize()
    for partial in folder.glob(".*.partial"):
        partial.unlink()
    print(f"{len(list(folder.glob('*.json')))} answers in {folder}")


if __name__ == "__main__":
    main()
