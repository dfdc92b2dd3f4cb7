"""The manifests of deploy/kubernetes: their form, their rules, and what their containers do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import psycopg
import pytest
import yaml

from pynenc_pg.conf.load import load
from pynenc_pg.monitor import passwords
from tests.deploy.image import ROOT, Image, free_port, user
from tests.deploy.running import place

FOLDER: Final = ROOT / "deploy/kubernetes"
#: The oldest that is still looked after by anybody, and the newest that is known.
VERSIONS: Final = ("1.29", "1.37")


def _documents(*names: str) -> Iterator[dict[str, Any]]:
    for name in names or [path.name for path in FOLDER.glob("*.yaml")]:
        yield from yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8"))


def _pods() -> dict[str, dict[str, Any]]:
    """Return the pods by what makes them; a Service or a budget has the name of its Deployment."""
    return {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in _documents()
        if one["kind"] in {"Deployment", "Job"}
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_them(version: str) -> None:
    """By the schemas of its API, and without a field that it does not know."""
    for one in _documents():
        kubernetes_validate.validate(one, version, strict=True)


def test_they_go_into_any_namespace() -> None:
    """None names one, all carry the label by which they are found, and secrets are a template."""
    for one in [*_documents(), *_documents("optional/keda.yaml")]:
        assert "namespace" not in one["metadata"]
        assert one["metadata"]["labels"]["app.kubernetes.io/name"] == "pynenc"
    [secret] = _documents("secret.yaml")
    assert all("CHANGE-ME" in value for value in secret["stringData"].values())
    used = {
        variable["valueFrom"]["secretKeyRef"]["key"]
        for pod in _pods().values()
        for container in _containers(pod)
        for variable in container["env"]
        if "valueFrom" in variable
    }
    assert used == set(secret["stringData"])


def _containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["containers"], *pod.get("initContainers", [])]


def test_pods_are_closed() -> None:
    """No root, no token of the cluster, no writing but to /tmp, no memory without an end."""
    assert set(_pods()) == {"pynenc-migrate", "pynenc-worker", "pynenc-monitor"}
    for pod in _pods().values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert f"{pod['securityContext']['runAsUser']}:" in Image.of(ROOT / "Dockerfile").user
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in _containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "memory" in container["resources"]["limits"]
            assert {"cpu", "memory"} == set(container["resources"]["requests"])


def test_selectors_select() -> None:
    """The Service, the budget and the autoscaler mean pods that there are."""
    by_kind = {(one["kind"], one["metadata"]["name"]): one for one in _documents()}
    worker = by_kind["Deployment", "pynenc-worker"]["spec"]["template"]["metadata"]["labels"]
    monitor = by_kind["Deployment", "pynenc-monitor"]["spec"]["template"]["metadata"]["labels"]
    budget = by_kind["PodDisruptionBudget", "pynenc-worker"]["spec"]["selector"]["matchLabels"]
    assert (budget, by_kind["Service", "pynenc-monitor"]["spec"]["selector"]) == (worker, monitor)
    scaled = [one for one in _documents("optional/keda.yaml") if one["kind"] == "ScaledObject"]
    assert scaled[0]["spec"]["scaleTargetRef"]["name"] == "pynenc-worker"
    assert scaled[0]["spec"]["minReplicaCount"] > 0


def test_workers_have_the_time_they_need() -> None:
    """What runs may end before the pod is killed."""
    pod = _pods()["pynenc-worker"]
    [own] = [v for v in pod["containers"][0]["env"] if v["name"].endswith("SHUTDOWN_TIMEOUT")]
    conf = load(environment={own["name"]: own["value"]})
    assert pod["terminationGracePeriodSeconds"] > conf.runner.shutdown_timeout


def test_what_its_containers_do(database_dsn: str, tmp_path: Path) -> None:
    """With users who have nothing but their roles: each starts, its probes are answered, it ends.

    The very commands, variables and probes; only ports are others.
    """
    pods = _pods()
    with ExitStack() as stack:
        secret = {
            "migrate-dsn": database_dsn,
            "worker-dsn": stack.enter_context(user(database_dsn, "worker")),
            "monitor-dsn": stack.enter_context(user(database_dsn, "observer", "operator")),
            "monitor-password": passwords.hash_password("right"),
        }
        there = stack.enter_context(place(Image.of(ROOT / "Dockerfile"), tmp_path))
        [schema] = pods["pynenc-worker"]["initContainers"]
        there.run(schema["command"], _variables(schema, secret))
        asked = []
        for name in ("pynenc-worker", "pynenc-monitor"):
            [container] = pods[name]["containers"]
            port = free_port()
            words = [*container["command"], *container.get("args", [])]
            inside = str(container["ports"][0]["containerPort"])
            command = [port if word == inside else word for word in words]
            asked.append((container, port, there.start(command, _variables(container, secret))))
        for container, port, running in asked:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                get = container[probe]["httpGet"]
                assert get["port"] == container["ports"][0]["name"]
                headers = {one["name"]: one["value"] for one in get.get("httpHeaders", [])}
                # What a kubelet says where nothing else is asked for: an address of the pod.
                running.wait_for_answer(port, get["path"], 200, **{"Host": "10.1.2.3"} | headers)
        _ask_as_keda(secret["monitor-dsn"])
        for *_, running in asked:
            running.terminate()
        assert [running.wait() for *_, running in asked] == [0, 0], asked[-1][-1].said()


def _variables(container: dict[str, Any], secret: dict[str, str]) -> dict[str, str]:
    return {
        one["name"]: one.get("value") or secret[one["valueFrom"]["secretKeyRef"]["key"]]
        for one in container["env"]
    }


def _ask_as_keda(dsn: str) -> None:
    """The query of the autoscaler gives one whole number."""
    found = {one["kind"]: one for one in _documents("optional/keda.yaml")}
    parameter = found["TriggerAuthentication"]["spec"]["secretTargetRef"][0]
    assert (parameter["parameter"], parameter["key"]) == ("connection", "monitor-dsn")
    [trigger] = found["ScaledObject"]["spec"]["triggers"]
    with psycopg.connect(dsn) as connection:
        assert connection.execute(trigger["metadata"]["query"]).fetchall() == [(0,)]
