"""The Helm charts say what the services read; rendered, they are as restricted as Kubernetes can ask for.

`make lint-charts` renders; where Helm is not at hand, only what needs no rendering is tested.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from api.settings import Settings as ApiSettings
from local.engine.paths import CACHE
from services.frame_proxy.settings import Settings as ProxySettings
from services.frame_proxy.settings import load
from tools.go_tool import MODULES

CHARTS = Path(__file__).resolve().parents[3] / "charts"
NAMES = ("api", "frame-proxy")
KINDS = {
    *("Deployment", "Service", "ServiceAccount", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy")
}


def helm() -> Path | None:
    """Helm as `python -m tools.go_tool helm` finds it, without building it."""
    built = CACHE / "bin" / f"helm-{MODULES['helm'][1]}" / "helm"
    found = shutil.which("helm") or (str(built) if built.exists() else None)
    return Path(found) if found else None


def rendered(name: str, *settings: str) -> list[dict[str, Any]]:
    """The manifests of a chart with its example. Raises CalledProcessError when Helm refuses the values."""
    tool = helm()
    if tool is None:
        pytest.skip("there is no Helm: `make lint-charts` builds it")
    chart = CHARTS / name
    command = [str(tool), "template", "prod", str(chart), "--kube-version", "1.33.0"]
    done = subprocess.run(
        [*command, "--values", str(chart / "example.yaml"), *settings], capture_output=True, text=True, check=True
    )
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def schema(name: str) -> dict[str, Any]:
    return json.loads((CHARTS / name / "values.schema.json").read_text())


def example(name: str) -> dict[str, Any]:
    values = yaml.safe_load((CHARTS / name / "values.yaml").read_text())
    return values | yaml.safe_load((CHARTS / name / "example.yaml").read_text())


def test_the_charts_schema_has_every_variable_that_the_api_reads() -> None:
    names = {name.upper() for name in ApiSettings.__dataclass_fields__}
    assert set(schema("api")["properties"]["configuration"]["required"]) == {*names, "ISSUER"}


def test_the_charts_schema_has_every_key_of_the_proxy_but_those_of_one_machine() -> None:
    known = set(schema("frame-proxy")["properties"]["configuration"]["properties"])
    one_machine = {
        *("host", "port", "jwks_file", "pseudonym_key_file", "audit_file", "ca_bundle", "tls_certificate", "tls_key"),
        *("endpoint_url", "dicomweb_endpoint_url"),
    }
    assert known == set(ProxySettings.model_fields) - one_machine


@pytest.mark.parametrize("name", NAMES)
def test_an_example_fits_its_schema_and_nothing_that_must_be_given_has_a_default(name: str) -> None:
    jsonschema.Draft7Validator(schema(name)).validate(example(name))
    bare = yaml.safe_load((CHARTS / name / "values.yaml").read_text())
    said = {"/".join(map(str, one.path)) for one in jsonschema.Draft7Validator(schema(name)).iter_errors(bare)}
    assert {"image/digest", "roleArn", "network/callers", "network/awsEndpoints", "configuration"} <= said


@pytest.mark.parametrize("name", NAMES)
def test_the_pods_are_restricted_and_write_nowhere(name: str) -> None:
    found = {one["kind"]: one for one in rendered(name)}
    assert set(found) >= KINDS
    pod = found["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "@sha256:" in container["image"]
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    assert all(set(volume) - {"name"} <= {"emptyDir", "configMap"} for volume in pod["volumes"])
    assert pod["automountServiceAccountToken"] is False
    assert found["HorizontalPodAutoscaler"]["spec"]["minReplicas"] >= 2
    assert "replicas" not in found["Deployment"]["spec"]


@pytest.mark.parametrize("name", NAMES)
def test_the_network_lets_in_and_out_what_is_named_and_selects_the_very_pods(name: str) -> None:
    found = {one["kind"]: one for one in rendered(name)}
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    policy = found["NetworkPolicy"]["spec"]
    for selector in (
        policy["podSelector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        found["Deployment"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule["from"] and rule["ports"] for rule in policy["ingress"])
    blocks = [to["ipBlock"]["cidr"] for rule in policy["egress"] for to in rule["to"] if "ipBlock" in to]
    assert blocks == example(name)["network"]["awsEndpoints"]


def test_the_services_accept_what_the_charts_render(tmp_path: Path) -> None:
    deployment = next(one for one in rendered("api") if one["kind"] == "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    settings = ApiSettings.from_env({one["name"]: one["value"] for one in container["env"]})
    assert settings.rules().readers == 2
    file = tmp_path / "frame_proxy.yaml"
    file.write_text(next(one for one in rendered("frame-proxy") if one["kind"] == "ConfigMap")["data"][file.name])
    proxy = load(file, {})
    assert (proxy.host, proxy.port, proxy.tls_self_signed) == ("0.0.0.0", 8080, True)  # noqa: S104  (in the pod)


@pytest.mark.parametrize(
    "setting",
    ["image.digest=latest", "network.awsEndpoints={0.0.0.0/0}", "configuration.unheardOf=1", "replicas.min=1"],
)
@pytest.mark.parametrize("name", NAMES)
def test_values_that_are_dangerous_or_misspelt_are_refused(name: str, setting: str) -> None:
    rendered(name)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        rendered(name, "--set", setting)
    assert setting.split("=", maxsplit=1)[0].rsplit(".", maxsplit=1)[-1] in refused.value.stderr
