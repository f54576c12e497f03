import json
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.io import loadmat, savemat

from datamodules import demo
from datamodules.demo import Demo
from datamodules.synthetic_motion import synthetic
from datamodules.synthetic_motion.synthetic import clip_id_of, perform
from datamodules.synthetic_motion.synthetic_actions import ACTIONS
from errors import InputError
from poses.cache.cache_check import check_cache
from poses.cache.keypoint_cache import clip_path, list_clips, read_cache, read_clip

FEW = demo.FEWEST_CLIPS


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    data = Demo(root=str(tmp_path_factory.mktemp("demo")), clips=FEW)
    data.prepare_data()
    return data


def files(data: Demo) -> dict[str, int]:
    """Every file and when it was written."""
    return {str(path): path.stat().st_mtime_ns for path in data.root.rglob("*") if path.is_file()}


def test_it_says_that_it_is_synthetic(generated: Demo) -> None:
    assert Demo.synthetic
    table = read_cache(generated.cache)
    assert {provenance.source for provenance in table.provenance} == {"synthetic"}
    assert {provenance.estimator for provenance in table.provenance} == {
        "datamodules.synthetic_motion.synthetic 1, seed 0"
    }


def test_the_cache_holds_the_generated_performances(generated: Demo) -> None:
    assert sorted(list_clips(generated.cache)) == sorted(clip_id_of(index) for index in range(FEW))
    for index in (0, 5, FEW - 1):
        clip, table = perform(0, index), read_clip(generated.cache, clip_id_of(index))
        persons, frames = clip.xy.shape[:2]
        assert_array_equal(table.xy.reshape(clip.xy.shape), clip.xy)
        assert_array_equal(table.confidence.reshape(clip.confidence.shape), clip.confidence)
        assert_array_equal(table.frame, np.tile(np.arange(frames), persons))
        assert_array_equal(table.time, np.tile(clip.time, persons))
        assert table.track_person.tolist() == list(range(persons))
    assert not list(check_cache(generated.cache))


def test_the_lists_have_the_format_of_aqa7(generated: Demo) -> None:
    seen = set()
    for part in ("train", "test"):
        rows = loadmat(generated.root / "Split_4" / f"split_4_{part}_list.mat")[f"consolidated_{part}_list"]
        assert rows.dtype == np.float64
        assert rows.shape == (sum(synthetic.in_test(i) == (part == "test") for i in range(FEW)), 3)
        for number, clip, score in rows.tolist():
            action = ACTIONS[int(number) - 1]
            assert (generated.cache / f"{action.name}_{int(clip):03d}.parquet").is_file()
            assert action.score_range[0] <= score <= action.score_range[1]
            seen.add((number, clip))
    assert len(seen) == FEW


def test_labels_come_from_the_lists_with_performers_and_phases(generated: Demo) -> None:
    labels = generated.labels()
    assert len({label.clip_id for label in labels}) == FEW
    by_id = {label.clip_id: label for label in labels}
    for index in range(FEW):
        label, plan = by_id[clip_id_of(index)], synthetic.outline(0, index)
        assert (label.action, label.score, label.phases) == (plan.action.name, plan.score, plan.phases)
        assert label.part == ("test" if synthetic.in_test(index) else "train")
        assert np.isnan(label.difficulty)
    groups = {part: {label.group for label in labels if label.part == part} for part in ("train", "test")}
    assert None not in groups["train"]
    assert not groups["train"] & groups["test"]


def test_it_trains_and_tests_like_any_data_set(generated: Demo) -> None:
    data = Demo(root=str(generated.root), clips=FEW)
    data.setup("fit")
    assert next(iter(data.pair_loader()))["poses"].shape == (2, 64, 15, 2)
    data.setup("test")
    _, queries = data.test_dataloader()
    batch = next(iter(queries))
    count = sum(synthetic.in_test(index) for index in range(FEW))
    assert len(set(batch.clip.tolist())) == count
    assert len(batch.clip) == count + count // len(ACTIONS)  # the synchronised clips have two tracks


def test_nothing_is_written_twice(generated: Demo) -> None:
    before = files(generated)
    Demo(root=str(generated.root), clips=FEW).prepare_data()
    assert files(generated) == before


def test_what_is_missing_comes_back(tmp_path: Path) -> None:
    data = Demo(root=str(tmp_path), clips=FEW)
    data.prepare_data()
    before = files(data)
    lost = [clip_path(data.cache, clip_id_of(3)), tmp_path / "Split_4" / "split_4_test_list.mat"]
    kept = clip_path(data.cache, clip_id_of(3)).read_bytes()
    for path in lost:
        path.unlink()
    data.prepare_data()
    after = files(data)
    assert after.keys() == before.keys()
    assert lost[0].read_bytes() == kept
    changed = {name for name in before if after[name] != before[name]}
    lists = {str(path) for path in (tmp_path / "Split_4").iterdir()}
    assert changed <= {str(lost[0]), str(tmp_path / "demo.json")} | lists


def test_the_first_clips_of_a_larger_set_are_those_of_a_smaller_one(tmp_path: Path) -> None:
    small = Demo(root=str(tmp_path), clips=FEW)
    small.prepare_data()
    before = files(small)
    labels = small.labels()
    large = Demo(root=str(tmp_path), clips=FEW + 12)
    large.prepare_data()
    after = files(large)
    assert {name for name in before if name.endswith(".parquet") and after[name] != before[name]} == set()
    assert len([name for name in after if name.endswith(".parquet")]) == FEW + 12
    assert {label.clip_id: label for label in labels}.items() <= {
        label.clip_id: label for label in large.labels()
    }.items()
    small.prepare_data()  # back again: the further clips may stay, no label names them
    assert small.labels() == labels
    small.setup("fit")
    with pytest.raises(InputError, match="give runs with other numbers of clips another root"):
        large.labels()


@pytest.mark.parametrize("change", ["seed", "generator"])
def test_stale_data_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    old = Demo(root=str(tmp_path), clips=FEW + 6)
    old.prepare_data()
    before = files(old)
    seed = int(change == "seed")
    if change == "generator":
        monkeypatch.setattr(demo, "GENERATOR_VERSION", 2)
        monkeypatch.setattr(synthetic, "GENERATOR_VERSION", 2)
    new = Demo(root=str(tmp_path), clips=FEW, generator_seed=seed)
    new.prepare_data()
    after = files(new)
    assert not {name for name in before if after.get(name) == before[name]}
    assert len(list_clips(new.cache)) == FEW
    version = synthetic.GENERATOR_VERSION
    assert {p.estimator for p in read_cache(new.cache).provenance} == {
        f"datamodules.synthetic_motion.synthetic {version}, seed {seed}"
    }
    new.setup("fit")


def test_an_interrupted_run_is_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    write = synthetic.write_performance

    def interrupted(cache: Path, seed: int, index: int) -> Path:
        if len(written) == 20:
            raise KeyboardInterrupt
        written.append(index)
        return write(cache, seed, index)

    Demo(root=str(tmp_path), clips=FEW).prepare_data()
    other = Demo(root=str(tmp_path), clips=FEW, generator_seed=1)
    monkeypatch.setattr(demo, "write_performance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        other.prepare_data()
    assert len(list_clips(other.cache)) == 20
    monkeypatch.setattr(demo, "write_performance", write)
    before = files(other)
    other.prepare_data()
    after = files(other)
    assert [name for name in before if name.endswith(".parquet") and after[name] != before[name]] == []
    assert {p.estimator for p in read_cache(other.cache).provenance} == {
        "datamodules.synthetic_motion.synthetic 1, seed 1"
    }
    assert len(other.labels()) == FEW


def test_an_interrupted_clearing_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Demo(root=str(tmp_path), clips=FEW).prepare_data()
    other = Demo(root=str(tmp_path), clips=FEW, generator_seed=1)
    left = 10
    unlink = Path.unlink

    def interrupted(path: Path, missing_ok: bool = False) -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            other.prepare_data()
    other.prepare_data()
    assert {p.estimator for p in read_cache(other.cache).provenance} == {
        "datamodules.synthetic_motion.synthetic 1, seed 1"
    }


def test_two_processes_may_generate_at_once(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")  # spares a second import of lightning
    runs = [fork.Process(target=Demo(root=str(tmp_path), clips=FEW).prepare_data) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(timeout=60)
    assert [run.exitcode for run in runs] == [0, 0]
    data = Demo(root=str(tmp_path), clips=FEW)
    assert len(read_cache(data.cache).clip_ids) == len(data.labels()) == FEW
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]


def test_foreign_keypoints_are_left_alone(tmp_path: Path, generated: Demo) -> None:
    (tmp_path / "keypoints").mkdir()
    foreign = tmp_path / "keypoints" / "squat_001.parquet"
    foreign.write_bytes(b"mine")
    data = Demo(root=str(tmp_path), clips=FEW)
    with pytest.raises(InputError, match="give the demo another root"):
        data.prepare_data()
    assert foreign.read_bytes() == b"mine"
    (tmp_path / "demo.json").write_text(json.dumps({"generator": 0, "generator_seed": 0, "clips": FEW}))
    (tmp_path / "keypoints" / "mine.parquet").write_bytes(b"mine")
    with pytest.raises(InputError, match="give the demo another root"):
        data.prepare_data()
    assert foreign.read_bytes() == b"mine"


def test_options_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"at least {FEW}"):
        Demo(root=str(tmp_path), clips=FEW - 1)
    with pytest.raises(InputError, match="generator_seed"):
        Demo(root=str(tmp_path), generator_seed=-1)


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe"])
def test_a_damaged_record_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "demo.json").write_bytes(content)
    with pytest.raises(InputError, match=r"demo\.json: cannot be read .* to generate it anew$"):
        Demo(root=str(tmp_path), clips=FEW).prepare_data()


@pytest.mark.parametrize("damage", ["truncated", "empty", "other array", "wrong shape", "not numbers", "missing"])
def test_a_damaged_list_is_one_clear_line(tmp_path: Path, generated: Demo, damage: str) -> None:
    data = Demo(root=str(tmp_path), clips=FEW)
    for path in (generated.root / "Split_4").iterdir():
        (tmp_path / "Split_4").mkdir(exist_ok=True)
        (tmp_path / "Split_4" / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "Split_4" / "split_4_train_list.mat"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:200])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "missing":
        path.unlink()
    else:
        array = {
            "other array": {"something": np.zeros((3, 3))},
            "wrong shape": {"consolidated_train_list": np.zeros((3, 2))},
            "not numbers": {"consolidated_train_list": np.array(["a", "b"])},
        }[damage]
        savemat(str(path), array)
    with pytest.raises(InputError, match=r"split_4_train_list\.mat: not a list of the demo.*made anew$"):
        data.labels()


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"^.*demo\.json: cannot be written \(Not a directory\)"):
        Demo(root=str(tmp_path / "file" / "demo"), clips=FEW).prepare_data()
