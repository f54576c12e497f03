"""What `import poses` gives, and what it costs."""

import subprocess
import sys

import pytest

import poses
from tests.conftest import REPO


def test_every_name_is_there_and_no_other() -> None:
    for name in dir(poses):
        assert getattr(poses, name) is not None, name
    assert poses.JOINTS[3] == "pelvis"
    with pytest.raises(AttributeError, match="module 'poses' has no attribute 'skeletons'"):
        poses.skeletons  # noqa: B018  # type: ignore[attr-defined]


def test_each_name_loads_what_it_needs_and_no_more() -> None:
    code = """
        import sys
        import poses
        assert not {"numpy", "torch", "pyarrow"} & set(sys.modules)
        from poses import BONES, JOINTS, convert
        assert not {"torch", "pyarrow"} & set(sys.modules)
        from poses import read_cache
        from poses import *
        assert not {"torch", "lightning", "matplotlib", "pandas"} & set(sys.modules)
        import scoring
        assert not {"lightning", "jsonargparse", "torch_geometric"} & set(sys.modules)
        """
    lines = "\n".join(line.strip() for line in code.splitlines())
    subprocess.run([sys.executable, "-c", lines], check=True, cwd=REPO)
