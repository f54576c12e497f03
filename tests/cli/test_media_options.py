"""What configs laid over one another say about how poses are made."""

from pathlib import Path

from cli.config_files import CONFIGS
from cli.media_options import build_pipeline, pose_parser
from tests.extraction.fakes import BarDetector

BASE = """
pose:
  detector: {class_path: tests.cli.test_media_options.Nervous, init_args: {delay: 0.5}}
  estimator: {class_path: tests.extraction.fakes.BarEstimator, init_args: {batch: 9}}
"""


class Nervous(BarDetector):
    """Another detector with options of the same names."""

    def __init__(self, broken: str = "all", delay: float = 0.1) -> None:
        super().__init__(broken, delay)


def test_a_detector_laid_over_another_takes_none_of_its_options(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "over.yaml").write_text("pose: {detector: {class_path: tests.extraction.fakes.BarDetector}}")
    parser = pose_parser("extract", "", [str(tmp_path / "base.yaml")])
    config = parser.parse_args([f"--config={tmp_path / 'over.yaml'}", "--pose.interpolate=2"])
    pipeline = build_pipeline(config)
    assert type(pipeline.detector) is BarDetector
    assert (pipeline.detector.broken, pipeline.detector.delay) == ("", 0.0)
    assert (pipeline.estimator.batch, pipeline.interpolate) == (9, 2)


def test_blazepose_laid_over_the_paper_is_blazepose_as_it_is() -> None:
    parser = pose_parser("extract", "", [str(CONFIGS / "yolov5.yaml"), str(CONFIGS / "hrnet.yaml")])
    pose = parser.parse_args(["--config=blazepose.yaml"]).pose
    assert pose.detector.class_path.endswith("BlazePoseDetector")
    assert pose.detector.init_args.as_dict() == {"min_score": 0.5, "close_ups": True}
