"""Kubernetes' manifests against its own schemas (kubernetes-validate), KServe's against the models of its SDK (kserve)."""
import ast, importlib.util, pathlib, re, sys
import kubernetes_validate, yaml

# The SDK's files are read, not imported: they need the rest of KServe.
SDK = pathlib.Path(importlib.util.find_spec("kserve").origin).parent / "models"


def kserve_types(name: str) -> dict[str, str] | None:
    """Types of a class's fields by their names in YAML; none where the SDK has no such class."""
    file = SDK / (re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() + ".py")
    if not file.exists():
        return None
    tables = {node.targets[0].id: ast.literal_eval(node.value)
              for node in ast.walk(ast.parse(file.read_text()))
              if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("openapi_types", "attribute_map")}
    return {tables["attribute_map"][field]: type for field, type in tables["openapi_types"].items()}


def check_kserve(value, type: str, path: str) -> int:
    """Fields checked."""
    if of := re.fullmatch(r"list\[(.+)\]", type):
        return sum(check_kserve(item, of[1], f"{path}[{i}]") for i, item in enumerate(value))
    if of := re.fullmatch(r"dict\(str, (.+)\)", type):
        return sum(check_kserve(item, of[1], f"{path}.{key}") for key, item in value.items())
    if type == "V1Container":
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [value]}}
        kubernetes_validate.validate(pod, "1.37", strict=True)
        return 1
    simple = {"str": str, "int": int, "bool": bool, "float": float}.get(type)
    if simple:
        assert isinstance(value, simple), f"{path}: expected {type}, found {value!r}"
        return 1
    types = kserve_types(type)
    if types is None:
        # Kubernetes' own, such as the metadata.
        assert type in ("V1ObjectMeta",), f"{path}: {type} is not checked"
        return 0
    unknown = value.keys() - types.keys()
    assert not unknown, f"{path}: unknown {', '.join(sorted(unknown))}"
    return sum(check_kserve(item, types[key], f"{path}.{key}") for key, item in value.items())


for file in sys.argv[1:]:
    for document in yaml.safe_load_all(pathlib.Path(file).read_text()):
        group, _, version = document["apiVersion"].rpartition("/")
        if group == "serving.kserve.io":
            count = check_kserve(document, f"{version[0].upper()}{version[1:]}{document['kind']}", document["kind"])
            assert count > 5
        else:
            kubernetes_validate.validate(document, "1.37", strict=True)
        print(f"{document['kind']} {document['metadata']['name']}")
