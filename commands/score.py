"""`python run.py score REFERENCE ATTEMPT`: how close a pose or a performance is to another, and where it differs."""

import contextlib
import filecmp
import functools
import json
import os
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal

import torch
from jsonargparse import Namespace

from cli.config_files import CONFIGS
from cli.media_options import build_pipeline, pose_parser
from drawing.pictures import save_figure
from errors import InputError, shortened
from extraction.pipeline import Pipeline
from extraction.reading.media import entries, is_image, is_video
from feedback.embedded_clips import load_measure
from feedback.performance_picture import performance_picture
from feedback.performances import LEAST_GROUP, PerformanceReport, compare_performances
from feedback.pose_picture import draw_poses, facts, screen
from feedback.single_poses import PoseReport, compare_poses
from feedback.subjects import Source, Subject, choose, read_subjects
from poses.cache.keypoint_cache import SUFFIX

PICTURES = (".png", ".svg", ".pdf")
PLACE = Path("runs", "score")
"""Where pictures go, named after what they compare; the same comparison made again takes the place of the old one."""


def run(arguments: Sequence[str]) -> int:
    """Compare, print, draw."""
    parser = pose_parser(
        "score",
        "Score an attempt against one or more references: two photographs, two videos, or clips of a keypoint cache "
        "(.parquet). Prints distance and score (eq. 6 of the paper, 0 to 100), the angles that cost the most, and "
        "what may be unfair; draws both people beside each other. Keypoints are found by BlazePose, or as --config "
        "says (hrnet.yaml), or taken from a cache (--keypoints).",
        [str(CONFIGS / "blazepose.yaml")],
    )
    parser.add_argument(
        "files", nargs="*", type=Path, default=[], help="REFERENCE [REFERENCE ...] ATTEMPT; the last is judged"
    )
    parser.add_argument(
        "--output",
        type=Path | None,
        default=None,
        help=f"picture: .png, .svg or .pdf ({PLACE}/ATTEMPT-vs-REFERENCE.png)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object for programs, and nothing else")
    parser.add_argument(
        "--checkpoint", type=Path, default=None, help="of a training run, or its folder; else the shipped one"
    )
    parser.add_argument(
        "--mirror",
        type=Literal["auto", "yes", "no"],
        default="auto",
        help="compare the attempt flipped left to right: auto does where it fits better so, and says it",
    )
    parser.add_argument(
        "--person",
        type=str,
        default=None,
        help="who is compared, by number from the left: 2; or one number for references and one for the attempt: 1,2; "
        "or one for each file. By default the largest in a photograph, the performer in a video",
    )
    parser.add_argument(
        "--group",
        nargs="+",
        type=Path,
        default=None,
        help=f"folder, or {LEAST_GROUP} files or more, of good examples: the score comes with its percentile among "
        "theirs against each other; by default the references, if there are as many",
    )
    parser.add_argument(
        "--keypoints", type=Path, default=None, help="keypoint cache with the files' keypoints, by name without suffix"
    )
    parser.add_argument(
        "--repetitions", action="store_true", help="find the attempts in a video that shows several; score each"
    )
    options = parser.parse_args(list(arguments[1:]))
    # with --json, what is said on the way goes elsewhere: standard output holds the object alone
    with contextlib.redirect_stdout(sys.stderr) if options.json else contextlib.nullcontext():
        lines, report = _compare(options)
    if options.json:
        print(json.dumps(report.as_json() | {"people": lines, "picture": str(options.output)}, ensure_ascii=False))
        return 0
    said = screen(report) if isinstance(report, PoseReport) else _performance_lines(report)
    print("\n".join([said[0], *lines, *said[1:], f"picture: {options.output}"]))
    return 0


def _compare(options: Namespace) -> tuple[list[str], PoseReport | PerformanceReport]:
    """Who is compared, in lines, and the report; the picture is written."""
    files: list[Path] = options.files
    if len(files) < 2:
        given = f"only {files[0]} is given" if files else "no file is given"
        raise InputError(f"{given}; give a reference and an attempt: score REFERENCE ATTEMPT")
    persons = _persons(options.person, len(files))
    group = _group_files(options.group, files[-1])
    options.output = options.output or picture_of(files)
    _check_output(options.output, [*files, *group])
    _check_kinds(files)
    _check_different(files, persons)
    model = load_measure(options.checkpoint)
    source = Source(functools.cache(lambda: _pipeline(options)), options.keypoints)
    lines: list[str] = []
    subjects = [_subject(path, source, person, lines) for path, person in zip(files, persons, strict=True)]
    references, attempt = subjects[:-1], subjects[-1]
    frames = [len(one.frame) for one in subjects]
    if min(frames) == 1 < max(frames):
        raise InputError(
            f"{subjects[frames.index(1)].name} is one pose, {subjects[frames.index(max(frames))].name} has "
            f"{max(frames)} frames; compare two photographs, or two videos"
        )
    members = _members(group, source, max(frames) == 1, lines)
    report: PoseReport | PerformanceReport
    if max(frames) == 1:
        if options.repetitions:
            raise InputError("--repetitions looks for attempts in a video; leave it out for photographs")
        report = compare_poses(references, attempt, model, mirror=options.mirror, group=members)
        draw_poses(report, options.output)
    else:
        report = compare_performances(
            references, attempt, model, mirror=options.mirror, repetitions=options.repetitions, group=members
        )
        save_figure(performance_picture(report), options.output)
    return lines, report


def _pipeline(options: Namespace) -> Pipeline:
    """Where poses come from, on a GPU if there is one."""
    pipeline = build_pipeline(options)
    pipeline.place("cuda" if torch.cuda.is_available() else "cpu")
    return pipeline


def _subject(path: Path, source: Source, person: int | None, lines: list[str]) -> Subject:
    subject, line = choose(read_subjects(path, source, person), person)
    lines += [] if line is None else [line]
    return subject


def _members(paths: Sequence[Path], source: Source, photographs: bool, lines: list[str]) -> list[Subject]:
    """The group; members that cannot be used are left out, and that is said."""
    members = []
    for path in paths:
        try:
            member, _ = choose(read_subjects(path, source), None)
        except InputError as error:
            lines.append(f"left out of the group: {error}")
            continue
        if (len(member.frame) == 1) != photographs:
            lines.append(f"left out of the group: {path}: {'a video' if photographs else 'a photograph'}")
            continue
        members.append(member)
    if paths and len(members) < LEAST_GROUP:
        raise InputError(
            f"--group: {len(members)} can be used, a percentile needs {LEAST_GROUP}; give more, or leave --group out"
            + (f" ({lines[-1]})" if lines else "")
        )
    return members


def _performance_lines(report: PerformanceReport) -> list[str]:
    """Lines for the screen, the result first."""
    moments = []
    for moment in report.moments:
        frame = f"frame {moment.attempt.frame[moment.attempt_row]}"
        at = frame if moment.time != moment.time else f"{moment.time:.2f} s ({frame})"
        words = "; ".join(moment.words) or "no single angle stands out"
        moments.append(f"worst at {at}, score {moment.score:.1f}: {words}")
    attempts = [
        f"attempt {number}: frames {one.attempt.frame[0]} to {one.attempt.frame[-1]}, score {one.total:.1f}"
        for number, one in enumerate(report.repetitions, 1)
    ]
    return [
        f"score {report.total:.1f} of 100",
        f"{report.attempt.name} against {report.reference.name}; model: {report.model}",
        *facts(report),
        *attempts,
        *moments,
        *(f"warning: {line}" for line in report.warnings),
    ]


# What the options may be ----------------------------------------------------------------------------------------------


def _persons(words: str | None, files: int) -> list[int | None]:
    """The number of the person to take from each file."""
    if words is None:
        return [None] * files
    numbers = words.split(",")
    if not all(one.strip().isdecimal() and int(one) > 0 for one in numbers) or len(numbers) not in (1, 2, files):
        raise InputError(
            f"--person {shortened(words)}: give a number from 1 (the leftmost), two such as 1,2 (references, attempt), "
            f"or one for each of the {files} files"
        )
    chosen: list[int | None] = [int(one) for one in numbers]
    if len(chosen) == files:
        return chosen
    return [*[chosen[0]] * (files - 1), chosen[-1]]


def _group_files(given: Sequence[Path] | None, attempt: Path) -> list[Path]:
    """The files of the group, folders opened, the attempt left out."""
    files = []
    for path in given or ():
        inside = entries(path) if path.is_dir() else [path]
        files += [one for one in inside if not path.is_dir() or is_image(one) or is_video(one) or one.suffix == SUFFIX]
    if given and not files:
        raise InputError(f"--group {given[0]}: no photograph, video or clip of a cache is in it")
    return [one for one in files if not (one.exists() and attempt.exists() and one.samefile(attempt))]


def picture_of(files: Sequence[Path]) -> Path:
    """Where the picture goes if nothing else is said; files of one name are told apart by those of their folders."""
    reference, attempt = ((path.absolute().parent.name, path.stem) for path in (files[0], files[-1]))
    same = reference[1] == attempt[1] and reference != attempt
    names = [os.fsencode("-".join(one if same else one[1:])) for one in (attempt, reference)]
    more = f"-and-{len(files) - 2}-more" if len(files) > 2 else ""
    # 255 bytes are allowed
    return PLACE / f"{'-vs-'.join(name[:100].decode(errors='ignore') for name in names)}{more}.png"


def _check_output(output: Path, inputs: Sequence[Path]) -> None:
    if output.suffix.lower() not in PICTURES:
        raise InputError(f"--output {output}: a picture's name must end in {', '.join(PICTURES)}")
    if any(output.exists() and one.exists() and output.samefile(one) for one in inputs):
        raise InputError(f"--output {output}: is one of the files to compare; choose another name")


def _check_kinds(files: Sequence[Path]) -> None:
    photographs, videos = [one for one in files if is_image(one)], [one for one in files if is_video(one)]
    if photographs and videos:
        raise InputError(
            f"{photographs[0]} is a photograph, {videos[0]} a video; compare two photographs, or two videos"
        )


def _check_different(files: Sequence[Path], persons: Sequence[int | None]) -> None:
    pairs = combinations(zip(files, persons, strict=True), 2)
    for (one, first), (other, second) in pairs:
        if first == second and one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False):
            raise InputError(
                f"{one} and {other} are the same picture or clip; give two, or two of its people (--person 1,2)"
            )
