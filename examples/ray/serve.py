"""Replicas of `remora serve` behind Ray Serve: pip install 'ray[serve]' httpx && serve run examples.ray.serve:app"""
import asyncio, httpx, os, socket, subprocess
from ray import serve
from starlette.responses import Response, StreamingResponse

COMMAND = os.environ.get("REMORA", "deno run -A cli/main.ts serve models/scenes-mllama-int4 --threads 1").split()
OWN = {"host", "connection", "transfer-encoding", "date", "x-request-id"}  # What each server says for itself.
def fields(headers): return {name: value for name, value in headers.items() if name not in OWN}

@serve.deployment(num_replicas=2, max_ongoing_requests=32, health_check_period_s=1, ray_actor_options={"num_cpus": 0.5})
class Replica:
    async def __init__(self):
        with socket.create_server(("127.0.0.1", 0)) as free: port = free.getsockname()[1]
        self.server = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *COMMAND, "--port", str(port)])
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=None)
        while True:
            try: return await self.check_health()
            except httpx.HTTPError: await asyncio.sleep(0.1)

    async def check_health(self):  # Server and replica end together, so that Ray starts another at once.
        if self.server.poll() is not None: os._exit(1)
        (await self.client.get("/health")).raise_for_status()

    async def answer(self, method, target, headers, body):
        async with self.client.stream(method, target, headers=headers, content=body) as response:
            yield response.status_code, fields(response.headers)
            async for piece in response.aiter_raw(): yield piece

@serve.deployment
class Ingress:
    def __init__(self, replicas): self.replicas = replicas.options(stream=True)

    async def __call__(self, request):
        asked = (request.method, request.url.path, fields(request.headers), await request.body())
        for turn in range(20):  # Before the first byte another may be asked: an answer changes nothing.
            answer = self.replicas.answer.remote(*asked)
            try: return StreamingResponse(answer, *await anext(answer))
            except Exception: await asyncio.sleep(0.1 * turn)
        return Response("no replica answers", 503)
app = Ingress.bind(Replica.bind())
