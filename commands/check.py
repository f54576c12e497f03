"""`python run.py check CACHE`: everything that is wrong with a keypoint cache, one problem a line."""

from collections.abc import Sequence

from commands import OptionParser


def run(arguments: Sequence[str]) -> int:
    """Check a cache and print what was found: 0 if it is sound, 2 if it has problems."""
    parser = OptionParser(
        prog="run.py check",
        description="Check every clip of a keypoint cache (docs/keypoint-cache.md) and print each problem on a line: "
        "clip, frame, what is wrong. Ends with exit code 2 if there are any.",
    )
    parser.add_argument("cache", metavar="CACHE", help="folder of the cache")
    cache = parser.parse_args(arguments[1:]).cache

    from poses.cache.cache_check import check_cache
    from poses.cache.keypoint_cache import list_clips

    count = 0
    clips = set()
    for problem in check_cache(cache):
        print(problem)
        count += 1
        clips.add(problem.clip)
    total = len(list_clips(cache))
    if not count:
        print(f"{cache}: {total} clip{'s' * (total != 1)}, no problems")
        return 0
    print(f"{cache}: {count} problem{'s' * (count != 1)} in {len(clips)} of {total} clip{'s' * (total != 1)}")
    return 2
