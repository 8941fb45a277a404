"""The model card: what a reader must know before trusting a model, from the report's own figures.

It covers what CLAIM 2024 (Tejani et al., Radiology: Artificial Intelligence 2024) and TRIPOD+AI (Collins et al., BMJ
2024) ask of data, model, training and evaluation; what the pipeline cannot know is named as missing, so that nobody
takes silence for an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MISSING = (
    ("Clinical background and role in care", "to be written by the hospital"),
    ("Eligibility, period and place of data collection", "not carried by de-identified images"),
    ("Agreement of the readers", "see the agreement figures of the API"),
    ("External validation", "this run saw no other hospital's patients"),
    ("Fairness beyond scanner, sex and age", "the images say no more"),
)


def render(report: Mapping[str, Any], described: Mapping[str, Any]) -> str:
    """Markdown of one trained model.

    Args:
        report: evaluation.json. described: the artifact's metadata.json.
    """
    config, counts = described["config"], report["counts"]
    lines = [
        f"# Model card: pneumonia on chest CT, {config['backbone']} at {config['image_size']} pixels",
        "",
        f"- Data: label snapshot `{described['snapshot_id']}`, sha256 `{described['snapshot_sha256']}`; "
        "de-identified CT images whose studies a reader verified.",
        "- Partition: by patient; the test patients were never seen in training or calibration.",
        f"- Preparation: {described['preparation']}",
        f"- Model: {config['backbone']}, input {described['input']['shape']} 0..1, "
        f"output {described['output']['meaning']}, threshold {described['threshold']}.",
        f"- Training: best epoch {described['best_epoch']} of {described['epochs']}, seed {config['seed']}.",
        f"- Test set: {counts['patients']} patients, {counts['studies']} studies, "
        f"{counts['images']} images, {counts['positive_images']} with pneumonia.",
        "",
        "## Performance on held-out patients",
        "",
        "| metric | image | 95 % interval, by patient | study |",
        "|---|---|---|---|",
    ]
    for name, entry in report["metrics"].items():
        study = report["study_metrics"][name]["value"]
        lines.append(f"| {name} | {entry['value']} | {entry['interval']} | {study} |")
    lines += ["", "## Groups", "", "| dimension | group | patients | accuracy |", "|---|---|---|---|"]
    lines += ["| {dimension} | {group} | {patients} | {accuracy} |".format(**group) for group in report["subgroups"]]
    lines += ["", "## Decision", "", report["gate"]["sentence"], ""]
    lines += [f"Change control plan {report['gate']['plan']['version']}, limits {report['gate']['limits']}.", ""]
    lines += ["## Not for", "", "Other modalities, other findings, children, a diagnosis without a reader.", ""]
    lines += ["## Missing items", ""] + [f"- {item}: {what}" for item, what in MISSING]
    return "\n".join(lines) + "\n"
