"""What a server stores is its user's alone, also what was there before."""

from pathlib import Path

from service.private_folder import make_private
from tests.support.command_line import run_narrows


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_was_there_before_is_mended_and_said(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for folder in (data, data / "files", data / "files" / "ab", data / "scratch" / "narrows-1"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        folder.chmod(0o755)
    upload, child = data / "files" / "ab" / "upload", data / "scratch" / "narrows-1" / "built"
    for path in (upload, child, tmp_path / "outside"):
        path.write_bytes(b"x")
        path.chmod(0o644)
    (data / "link").symlink_to(tmp_path / "outside")
    first = run_narrows(data, "keys", "list")
    assert f"Other users could look into {data}" in first.stderr
    assert mode(upload) == 0o600
    assert mode(data) == mode(data / "files" / "ab") == mode(data / "scratch") == 0o700
    assert mode(child) == 0o644  # of a child, which may be another user, in a folder of its own
    assert mode(tmp_path / "outside") == 0o644
    for name in ("narrows.db",):
        assert mode(data / name) == 0o600
    assert run_narrows(data, "keys", "list").stderr == ""


def test_what_its_user_may_not_do_stays(tmp_path: Path) -> None:
    (tmp_path / "read-only").write_bytes(b"x")
    (tmp_path / "read-only").chmod(0o444)
    tmp_path.chmod(0o700)
    assert make_private(tmp_path) == 1
    assert mode(tmp_path / "read-only") == 0o400
