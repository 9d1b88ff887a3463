"""LiteLLM's router: the server at UPSTREAM_URL, and remora at REMORA_URL when that fails."""

import os

from litellm import Router

# docs: begin
def server(name, url, model):
    return {"model_name": name, "litellm_params": {"model": f"openai/{model}", "api_base": f"{url}/v1", "api_key": "none"}}

models = [server("main", os.environ["UPSTREAM_URL"], "main"), server("last-resort", os.environ["REMORA_URL"], "scenes")]
router = Router(model_list=models, fallbacks=[{"main": ["last-resort"]}], num_retries=0)
# docs: end

answer = router.completion(model="main", messages=[{"role": "user", "content": "Is there a star?"}], max_tokens=5, temperature=0)
print(answer.model)
