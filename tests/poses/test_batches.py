import subprocess
import sys
from pathlib import Path

import torch

from poses.batches import ClipBatch, ClipFacts, EmbeddedClips, TrackFacts, codes, first_of_each, mean_of_each, names_of
from tests.conftest import REPO
from tests.scoring.build import make_clips

ONE_LINE_MORE = """
import sys
from pathlib import Path
from types import ModuleType

import torch

source = Path("poses/batches.py").read_text()
batches = sys.modules["poses.batches"] = ModuleType("poses.batches")
exec(source.replace("    difficulty: Tensor\\n", "    difficulty: Tensor\\n    height: Tensor\\n", 1), vars(batches))

from datamodules.demo import Demo
from lightning_modules.collector import ClipCollector
from datamodules.labels import ClipLabel
from scoring.evaluation import clip_table

ClipLabel.height = property(lambda label: 2 * label.score)
data = Demo(root=sys.argv[1], clips=48)
data.prepare_data()
data.setup("test")
collector = ClipCollector()
for batch in data.test_dataloader()[1]:
    collector.update(batch, torch.zeros(len(batch), 3, 5))
clips = collector.gather()
table = clip_table(clips, {})
for facts in (data.facts, batch, clips, clips[clips.score > 50], table):
    assert facts.height.tolist() == (2 * facts.score).tolist() and len(facts.height)
"""


def test_a_new_field_is_one_line(tmp_path: Path) -> None:
    """From the labels through data module, batch and collector to the table of clips."""
    subprocess.run([sys.executable, "-c", ONE_LINE_MORE, str(tmp_path)], check=True, cwd=REPO)


def test_the_fields_of_a_track_are_those_of_batches_and_embedded_clips() -> None:
    assert set(names_of(ClipFacts)) < set(names_of(TrackFacts))
    assert names_of(ClipBatch) == (*names_of(TrackFacts), "content")
    assert names_of(EmbeddedClips) == (*names_of(TrackFacts), "embedding", "poses")


def test_content_is_poses_by_its_shape() -> None:
    clips = make_clips(3)
    facts = {name: getattr(clips, name) for name in names_of(TrackFacts)}
    assert ClipBatch(content=clips.poses, **facts).poses is clips.poses
    assert ClipBatch(content=torch.zeros(3, 10, 64), **facts).poses.shape == (3, 0, 15, 2)


def test_tracks_are_picked_in_every_field() -> None:
    clips = make_clips(4)
    for picked in (clips[torch.tensor([2, 0])], clips[clips.track % 2 == 0][torch.tensor([1, 0])]):
        assert isinstance(picked, EmbeddedClips)
        assert len(picked) == 2
        for name in names_of(EmbeddedClips):
            assert torch.equal(getattr(picked, name).nan_to_num(), getattr(clips, name)[[2, 0]].nan_to_num()), name


def test_first_of_each() -> None:
    assert first_of_each(torch.tensor([7, 3, 7, 3, 5])).tolist() == [1, 4, 0]
    assert first_of_each(torch.tensor([], dtype=torch.int64)).tolist() == []


def test_mean_of_each() -> None:
    values, clip = torch.tensor([1.0, 2.0, 3.0, 6.0, 9.0]), torch.tensor([7, 3, 7, 3, 5])
    assert mean_of_each(values, clip).tolist() == [4, 9, 2]


def test_codes_are_sorted_and_none_is_unknown() -> None:
    index, names = codes(["b", None, "a", "b"])
    assert index.tolist() == [1, -1, 0, 1]
    assert names == ["a", "b"]
