"""The model card: what a reader must know before trusting a model, from the report's own figures.

It covers what CLAIM 2024 and TRIPOD+AI ask of data, model, training and evaluation (training.reporting); what the
pipeline cannot know is named as missing, so that nobody takes silence for an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.reporting import topics


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
    told = topics(report, described)
    lines += ["## What reporting guidelines ask", "", "| topic | | |", "|---|---|---|"]
    lines += ["| {topic} | {status} | {said} |".format(**one) for one in told]
    return "\n".join(lines) + "\n"
