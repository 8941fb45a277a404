"""Which machine of how many: what SageMaker's names become, and what one machine must not notice."""

from __future__ import annotations

import json

import pytest

from training import train
from training.batches import TrainingBatches, plain_batches
from training.cluster import ALONE, PORT, Machines, cluster_of, join
from training.dataset import Split
from training.failure import TrainingError


@pytest.mark.parametrize("index", [0, 1, 2])
def test_every_machine_of_a_job_draws_the_same_cluster_from_its_own_names(index: int):
    hosts = ["algo-1", "algo-2", "algo-3"]
    told = cluster_of({"SM_HOSTS": json.dumps(hosts[::-1]), "SM_CURRENT_HOST": hosts[index]})
    assert told == {
        "cluster": {"worker": [f"{host}:{PORT}" for host in hosts]},
        "task": {"type": "worker", "index": index},
    }


@pytest.mark.parametrize("environment", [{}, {"SM_HOSTS": '["algo-1"]', "SM_CURRENT_HOST": "algo-1"}, {"SM_HOSTS": ""}])
def test_one_machine_is_no_cluster(environment: dict[str, str]):
    assert cluster_of(environment) is None
    assert join(cluster_of(environment)) is ALONE


def test_what_somebody_has_said_of_the_cluster_counts_more_than_the_names():
    said = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
    names = {"SM_HOSTS": '["algo-1","algo-2"]', "SM_CURRENT_HOST": "algo-1"}
    assert cluster_of({**names, "TF_CONFIG": json.dumps(said)}) == said
    assert cluster_of({**names, "TF_CONFIG": json.dumps({"cluster": {"worker": ["a:1"]}})}) is None


def test_alone_a_machine_is_the_chief_and_hears_itself():
    assert ALONE.chief
    assert not Machines(1, 2).chief
    assert ALONE.told_by_chief("word") == "word"


def test_more_machines_than_images_of_a_batch_are_refused(split_of_images: Split):
    with pytest.raises(TrainingError, match="a batch of 2 images has none for each of 3 machines"):
        TrainingBatches(split_of_images, 2, "none", 1, Machines(0, 3))
    with pytest.raises(TrainingError, match="has 4 images, and 5 machines need one each"):
        plain_batches(split_of_images, 2, Machines(0, 5))


@pytest.fixture
def split_of_images(tmp_path_factory: pytest.TempPathFactory) -> Split:
    manifest = {"split": "train", "image_size": 8, "shards": [{"file": "shard-00000.npz", "images": 4}]}
    return Split(tmp_path_factory.mktemp("train"), manifest)


def test_a_checkpoint_of_other_machines_is_not_continued(split_of_images: Split):
    config = train.parse(["--backbone", "small_cnn"])
    alone = train.fingerprint_of(config, split_of_images, split_of_images)
    assert alone != train.fingerprint_of(config, split_of_images, split_of_images, machines=2)
