"""What the training toolkit inside the framework images does: configuration files, SM_* environment, script mode."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = "sagemaker_program"
SUBMIT_DIRECTORY = "sagemaker_submit_directory"
_RESERVED = "sagemaker_"


@dataclass(frozen=True, kw_only=True)
class Training:
    """What the toolkit knows about one job; `root` stands for /opt/ml."""

    name: str
    arn: str
    region: str
    root: Path
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, Mapping[str, Any]]
    instance_type: str

    @property
    def user_arguments(self) -> dict[str, Any]:
        """Hyperparameters of the script, decoded: each value is JSON if it reads as JSON, else the text itself."""
        return {k: decode(v) for k, v in self.hyperparameters.items() if not k.startswith(_RESERVED)}

    @property
    def resources(self) -> dict[str, Any]:
        """resourceconfig.json."""
        group = "homogeneousCluster"
        return {
            "current_host": "algo-1",
            "hosts": ["algo-1"],
            "current_instance_type": self.instance_type,
            "current_group_name": group,
            "instance_groups": [
                {"instance_group_name": group, "instance_type": self.instance_type, "hosts": ["algo-1"]}
            ],
            "network_interface_name": "eth0",
        }

    @property
    def inputs(self) -> dict[str, Any]:
        """inputdataconfig.json."""
        return {
            name: {
                "TrainingInputMode": channel.get("InputMode", "File"),
                "S3DistributionType": "FullyReplicated",
                "RecordWrapperType": channel.get("RecordWrapperType", "None"),
                **({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {}),
            }
            for name, channel in self.channels.items()
        }


def decode(value: str) -> Any:
    """A hyperparameter's value: JSON when it is JSON, the text otherwise."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def write_configuration(training: Training) -> None:
    """Create the folders and the three files under /opt/ml/input/config."""
    for folder in ("code", "model", "input/config", "input/data", "output/data", "output/intermediate"):
        (training.root / folder).mkdir(parents=True, exist_ok=True)
    files = {
        "hyperparameters": dict(training.hyperparameters),
        "resourceconfig": training.resources,
        "inputdataconfig": training.inputs,
    }
    for name, content in files.items():
        (training.root / "input/config" / f"{name}.json").write_text(json.dumps(content))


def script_arguments(training: Training) -> list[str]:
    """Command line of the script: keys sorted, one letter with one dash, an object as a=1,b=2."""
    words = []
    for key, value in sorted(training.user_arguments.items()):
        words.append(f"-{key}" if len(key) == 1 else f"--{key}")
        if isinstance(value, dict):
            words.append(",".join(f"{name}={item}" for name, item in value.items()))
        else:
            words.append(str(value))
    return words


def environment(training: Training) -> dict[str, str]:
    """SM_* and the other variables that scripts find in the image; objects as compact JSON with sorted keys."""
    root, program = training.root, training.hyperparameters.get(PROGRAM, "")
    values: dict[str, Any] = {
        "MODEL_DIR": str(root / "model"),
        "OUTPUT_DIR": str(root / "output"),
        "OUTPUT_DATA_DIR": str(root / "output/data"),
        "OUTPUT_INTERMEDIATE_DIR": str(root / "output/intermediate"),
        "INPUT_DIR": str(root / "input"),
        "INPUT_CONFIG_DIR": str(root / "input/config"),
        "MODULE_DIR": training.hyperparameters.get(SUBMIT_DIRECTORY, ""),
        "MODULE_NAME": program.removesuffix(".py"),
        "USER_ENTRY_POINT": program,
        "USER_ARGS": script_arguments(training),
        "CHANNELS": sorted(training.channels),
        "HPS": training.user_arguments,
        "HOSTS": ["algo-1"],
        "CURRENT_HOST": "algo-1",
        "CURRENT_INSTANCE_TYPE": training.instance_type,
        "CURRENT_INSTANCE_GROUP": "homogeneousCluster",
        "CURRENT_INSTANCE_GROUP_HOSTS": ["algo-1"],
        "INSTANCE_GROUPS": ["homogeneousCluster"],
        "INSTANCE_GROUPS_DICT": {"homogeneousCluster": training.resources["instance_groups"][0]},
        "IS_HETERO": False,
        "NUM_CPUS": os.cpu_count() or 1,
        "NUM_GPUS": 0,
        "NUM_NEURONS": 0,
        "NETWORK_INTERFACE_NAME": "eth0",
        "LOG_LEVEL": decode(training.hyperparameters.get("sagemaker_container_log_level", "20")),
        "RESOURCE_CONFIG": training.resources,
        "INPUT_DATA_CONFIG": training.inputs,
        "FRAMEWORK_PARAMS": {k: decode(v) for k, v in training.hyperparameters.items() if k.startswith(_RESERVED)},
        **{f"CHANNEL_{name.upper()}": str(root / "input/data" / name) for name in training.channels},
        **{f"HP_{key.upper()}": value for key, value in training.user_arguments.items()},
    }
    return {
        **{f"SM_{key}": _text(value) for key, value in values.items()},
        "TRAINING_JOB_NAME": training.name,
        "TRAINING_JOB_ARN": training.arn,
        "SAGEMAKER_REGION": training.region,
        "SAGEMAKER_JOB_NAME": training.name,
        "CURRENT_HOST": "algo-1",
    }


def script_command(training: Training) -> list[str]:
    """`python train.py --key value ...`. Raises ValueError when the hyperparameters name no usable script."""
    program = training.hyperparameters.get(PROGRAM, "")
    if not re.fullmatch(r"[\w./-]+\.py", program) or not (training.root / "code" / program).is_file():
        raise ValueError(f"Hyperparameter {PROGRAM} '{program}' is not a Python file in {SUBMIT_DIRECTORY}")
    return ["python", program, *script_arguments(training)]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
