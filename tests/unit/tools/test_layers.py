"""Layers: reproducible, small enough, and all that a function needs in an interpreter that has boto3 alone."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import layers

ROOT = Path(__file__).resolve().parents[3]
LAMBDA_PYTHON = ROOT / ".venvs" / "lambda" / "bin" / "python"
FUNCTIONS = {
    "image_ingestion": ("lambdas", ("shared",), "image_ingestion.handler, image_ingestion.library"),
    "pipeline_trigger": ("lambdas", ("shared",), "pipeline_trigger.handler"),
    "model_evaluation": ("lambdas", ("shared", "evaluation"), "model_evaluation.handler, onnxruntime"),
    "model_registry": ("lambdas", ("shared",), "model_registry.handler"),
    "monitoring": ("lambdas", ("shared",), "monitoring.handler"),
    "api": (".", ("shared", "api"), "api.lambda_handler"),
}
# y = mean over the pixels of x (n, 4, 4, 1): a model whose answer anybody can check, written by onnx 1.23.
MEAN_MODEL = base64.b64decode(
    "CAgSADqkAQopCgF4CgRheGVzEgFtIgpSZWR1Y2VNZWFuKg8KCGtlZXBkaW1zGACgAQIKFgoBbQoFc2hhcGUSAXkiB1Jlc2hhcGUSAWcqDggC"
    "EAc6AgECQgRheGVzKhgIAhAHOgv///////////8BAUIFc2hhcGVaHAoBeBIXChUIARIRCgMSAW4KAggECgIIBAoCCAFiFAoBeRIPCg0IARIJ"
    "CgMSAW4KAggBQgQKABAS"
)


def layer(name: str) -> layers.Layer:
    return next(found for found in layers.LAYERS if found.name == name)


@pytest.fixture(scope="module")
def runtime() -> str:
    """The runtime of the clean interpreter."""
    command = [str(LAMBDA_PYTHON), "-c", "import sys; print('python%d.%d' % sys.version_info[:2])"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def built(runtime: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The layers of this very tree: those of `make layers` when they are current, fresh ones otherwise."""
    output = ROOT / "build" / "layers"
    stamps = {found.name: output / runtime / f"{found.name}.stamp" for found in layers.LAYERS}
    current = all(
        stamps[found.name].is_file() and stamps[found.name].read_text() == layers.stamp(found, runtime)
        for found in layers.LAYERS
    )
    target = output if current else tmp_path_factory.mktemp("layers")
    return {found.name: layers.build(found, runtime, target)[0] for found in layers.LAYERS}


def run(code: str, folders: list[Path], work: Path) -> subprocess.CompletedProcess[str]:
    """Run code in the clean interpreter with only these folders on its path, and no way to our own packages."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AWS_"))}
    environment |= {"PYTHONPATH": os.pathsep.join(map(str, folders)), "AWS_DEFAULT_REGION": "us-east-1"}
    environment |= {"POWERTOOLS_SERVICE_NAME": "test", "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:1"}
    return subprocess.run(
        [str(LAMBDA_PYTHON), "-B", "-c", code], cwd=work, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_imports_with_its_own_layers_only(function: str, built: dict[str, Path], tmp_path: Path) -> None:
    folder, names, modules = FUNCTIONS[function]
    shutil.copytree(ROOT / folder / function, tmp_path / "code" / function)
    result = run(f"import {modules}", [tmp_path / "code", *(built[name] / "python" for name in names)], tmp_path)
    assert result.returncode == 0, result.stderr


def test_a_missing_layer_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "lambdas" / "monitoring", tmp_path / "monitoring")
    result = run("import monitoring.handler", [tmp_path], tmp_path)
    assert "ModuleNotFoundError" in result.stderr, "the clean interpreter must not see the project's packages"


def test_the_canary_imports_every_public_module_of_the_layer(built: dict[str, Path], tmp_path: Path) -> None:
    code = "import sys, lambda_shared.canary as c; sys.exit(c.main())"
    result = run(code, [built["shared"] / "python"], tmp_path)
    assert result.returncode == 0, result.stderr


def test_the_shared_layer_stays_lean(built: dict[str, Path]) -> None:
    folder = built["shared"] / "python"
    assert not (folder / "numpy").exists()
    assert not (folder / "boto3").exists(), "the runtime brings it"
    assert layers.size_bytes(folder) < 25 * layers.MEBIBYTE, "cold starts read this"


def test_the_judge_runs_a_real_onnx_model_on_its_layer(built: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(MEAN_MODEL)
    shutil.copytree(ROOT / "lambdas" / "model_evaluation", tmp_path / "model_evaluation")
    code = (
        "import numpy as np; from pathlib import Path; from model_evaluation.judge import OnnxJudge\n"
        "images = np.stack([np.full((4, 4), n / 20, np.float32) for n in range(20)])\n"
        "print(np.round(OnnxJudge().scores(Path('m.onnx'), iter([images[:9], images[9:]])) * 20).tolist())\n"
        "try:\n    OnnxJudge().scores(Path('m.onnx'), iter([images * 9]))\n"
        "except Exception as error:\n    print(error.code)\n"
    )
    result = run(code, [tmp_path, *(built[name] / "python" for name in ("shared", "evaluation"))], tmp_path)
    assert result.stdout.splitlines() == [str([float(n) for n in range(20)]), "MODEL_OUTPUT"], result.stderr


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        found.update(f"{path.relative_to(folder)} {path.stat().st_mode} {path.stat().st_mtime_ns}".encode())
        if path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()


def test_two_builds_are_the_same_byte_for_byte(runtime: str, tmp_path: Path) -> None:
    first, built_first = layers.build(layer("api"), runtime, tmp_path / "a")
    second, _ = layers.build(layer("api"), runtime, tmp_path / "b")
    assert built_first
    assert digest(first) == digest(second)
    assert not list(first.rglob("RECORD"))
    assert not list(first.rglob("__pycache__"))


def test_unchanged_inputs_are_not_built_again_and_a_changed_stamp_is(runtime: str, tmp_path: Path) -> None:
    layers.build(layer("api"), runtime, tmp_path)
    folder = tmp_path / runtime / "api"
    (folder / "python" / "mangum" / "__pycache__").mkdir()
    assert layers.build(layer("api"), runtime, tmp_path) == (folder, False)
    assert not list(folder.rglob("__pycache__")), "what an interpreter left there would change the archive"
    (tmp_path / runtime / "api.stamp").write_text("older")
    assert layers.build(layer("api"), runtime, tmp_path)[1] is True


def test_the_stamp_covers_our_own_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder, _ in layer("shared").sources:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    monkeypatch.setattr(layers, "ROOT", tmp_path)
    before = layers.stamp(layer("shared"), "python3.12")
    (tmp_path / "imaging" / "errors.py").write_text("changed")
    assert layers.stamp(layer("shared"), "python3.12") != before


def test_layers_that_no_function_could_load_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert layers.too_large({"shared": 20 * layers.MEBIBYTE, "evaluation": 200 * layers.MEBIBYTE}) == []
    (sentence,) = layers.too_large({"shared": 60 * layers.MEBIBYTE, "evaluation": 200 * layers.MEBIBYTE})
    assert "shared + evaluation has 260 MiB" in sentence


def test_the_command_line_prints_sizes(runtime: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--runtime", runtime, "--only", "api", "--output", str(tmp_path)]
    assert layers.main(arguments) == 0
    assert layers.main(arguments) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("built")
    assert second.endswith("unchanged")


def test_the_stamp_is_the_same_in_every_process() -> None:
    """Else a layer would be built again at each command, and the stack would look changed."""
    program = "from tools.layers import LAYERS, stamp; print([stamp(layer, 'python3.11') for layer in LAYERS])"
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
