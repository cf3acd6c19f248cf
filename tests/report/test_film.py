"""Films have the expected frames and pixels, are small and complete, and never overwrite files."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from arlbench.errors import ConfigurationError, MissingExtraError, RenderingError
from arlbench.report import film
from arlbench.report.film import Reel

#: One for each of the frames of ``corridor``.
COLOURS = np.array([[250, 120, 0], [0, 10, 255], [255, 255, 255], [7, 7, 7]], np.uint8)


def corridor(*lengths: int) -> Reel:
    """Episodes of frames with 2 by 4 pixels, each with one bright column."""
    reel = Reel()
    for length in lengths:
        for index in range(length):
            frame = np.zeros((2, 4, 3), np.uint8)
            frame[:, index % 4] = COLOURS[index % 4]
            reel.add(frame)
        reel.end_episode()
    return reel


def noise(n_frames: int, height: int = 30, width: int = 50) -> Reel:
    """Frames with thousands of colours."""
    rng, reel = np.random.default_rng(0), Reel()
    for _ in range(n_frames):
        reel.add(rng.integers(0, 256, (height, width, 3), np.uint8))
    return reel


def frames_of(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """All pictures of a GIF, and how long each is shown, in milliseconds."""
    frames, durations = [], []
    with Image.open(path) as image:
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGB")))
            durations.append(image.info["duration"])
    return frames, durations


def video(path: Path, height: int, width: int) -> np.ndarray:
    """All pictures of an MP4 of this size, ``[n, height, width, 3]``."""
    command = [film._ffmpeg(), "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24"]
    content = subprocess.run([*command, "-"], capture_output=True, check=True).stdout
    return np.frombuffer(content, np.uint8).reshape(-1, height, width, 3)


def test_a_gif_has_every_frame_with_its_colours(tmp_path: Path) -> None:
    reel = corridor(4, 3)
    film.write(tmp_path / "a.gif", reel, "gif", fps=10)
    frames, durations = frames_of(tmp_path / "a.gif")
    assert len(frames) == 7
    for frame, kept in zip(frames, reel, strict=True):
        # 400 pixels are 4 pixels, enlarged 100 times.
        assert frame.shape == (200, 400, 3)
        np.testing.assert_array_equal(frame[50::100, 50::100], kept)
        np.testing.assert_array_equal(frame[:100, :100], np.broadcast_to(kept[0, 0], (100, 100, 3)))
    # The last picture of an episode is shown longer.
    assert durations == [100, 100, 100, 1100, 100, 100, 1100]


def test_a_gif_of_many_colours_takes_few_that_come_near(tmp_path: Path) -> None:
    reel = noise(3)
    film.write(tmp_path / "a.gif", reel, "gif", fps=10)
    frames, _ = frames_of(tmp_path / "a.gif")
    colours = {tuple(pixel) for frame in frames for pixel in frame.reshape(-1, 3).tolist()}
    assert 16 < len(colours) <= 64
    differences = [
        np.abs(frame[::8, ::8].astype(int) - kept).mean()
        for frame, kept in zip(frames, reel, strict=True)
    ]
    # 64 colours are 4 levels of each of three channels, which are 16 away on average.
    assert max(differences) < 20


def test_a_rare_colour_is_not_lost_among_many(tmp_path: Path) -> None:
    reel, red = Reel(), np.array([255, 0, 0], np.uint8)
    # A thousand shades of grey, green and blue.
    shades = np.indices((100, 100)).sum(0)[..., None] // np.array([8, 2, 1])
    for index in range(4):
        frame = shades.astype(np.uint8)
        frame[index, :3] = red
        reel.add(frame)
    film.write(tmp_path / "a.gif", reel, "gif", fps=5)
    frames, _ = frames_of(tmp_path / "a.gif")
    for index, frame in enumerate(frames):
        assert np.abs(frame[4 * index, 0].astype(int) - red).max() < 40


def test_frames_that_are_alike_make_one_that_stays(tmp_path: Path) -> None:
    reel = Reel()
    for shade in (0, 0, 0, 9):
        reel.add(np.full((3, 3, 3), shade, np.uint8))
    film.write(tmp_path / "a.gif", reel, "gif", fps=20)
    _, durations = frames_of(tmp_path / "a.gif")
    assert durations == [150, 1050]


def test_a_film_of_one_frame_is_a_film(tmp_path: Path) -> None:
    for name in film.FORMATS:
        film.write(tmp_path / f"a.{name}", corridor(1), name, fps=5)
    frames, _ = frames_of(tmp_path / "a.gif")
    assert len(frames) == 1


def test_an_mp4_has_every_frame_and_holds_the_last(tmp_path: Path) -> None:
    reel = corridor(4, 4)
    film.write(tmp_path / "a.mp4", reel, "mp4", fps=5)
    frames = video(tmp_path / "a.mp4", 200, 400)
    # Eight, and a second after each episode.
    assert frames.shape == (8 + 2 * 5, 200, 400, 3)
    order = [0, 1, 2, 3, 3, 3, 3, 3, 3]
    for frame, index in zip(frames, order + order, strict=True):
        np.testing.assert_allclose(frame[50::100, 50::100].astype(int), reel[index], atol=12)


def test_an_mp4_of_odd_sides_gets_another_line(tmp_path: Path) -> None:
    film.write(tmp_path / "a.mp4", noise(2, 399, 201), "mp4", fps=5)
    # A frame, another one, and the last one five more times.
    assert len(video(tmp_path / "a.mp4", 400, 202)) == 2 + 5


def test_a_sheet_shows_evenly_spaced_frames_each_episode_in_rows_of_its_own(
    tmp_path: Path,
) -> None:
    reel = Reel()
    for n_frames in (41, 2):
        for index in range(n_frames):
            reel.add(np.full((1, 2, 3), index, np.uint8))
        reel.end_episode()
    film.write(tmp_path / "a.png", reel, "png", fps=5)
    with Image.open(tmp_path / "a.png") as image:
        sheet = np.asarray(image)
    # Cells of 200 by 400 with 8 pixels between them: two rows for 8 frames, one for 2.
    assert sheet.shape == (8 + 3 * 208, 8 + 4 * 408, 3)
    centres = sheet[108::208, 208::408, 0]
    np.testing.assert_array_equal(centres, [[0, 6, 11, 17], [23, 29, 34, 40], [0, 1, 255, 255]])
    assert (sheet[:8] == 255).all()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((10, 10), (400, 400)),
        ((84, 84), (336, 336)),
        ((130, 110), (390, 330)),
        ((201, 100), (201, 100)),
        ((400, 600), (267, 400)),
        ((1200, 30), (400, 10)),
        ((1, 5000), (1, 400)),
    ],
)
def test_pictures_are_brought_to_a_reasonable_size(shape: Any, expected: Any, tmp_path) -> None:
    reel = Reel()
    reel.add(np.zeros((*shape, 3), np.uint8))
    film.write(tmp_path / "a.gif", reel, "gif", fps=5)
    frames, _ = frames_of(tmp_path / "a.gif")
    assert frames[0].shape == (*expected, 3)


@pytest.mark.parametrize(
    ("lengths", "fps"), [((2,), 5), ((60,), 5), ((61, 3), 10), ((121,), 20), ((999,), 50)]
)
def test_short_episodes_are_shown_slowly(lengths: Any, fps: int) -> None:
    assert film.frames_per_second(corridor(*lengths)) == fps


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        (np.zeros((4, 4, 3)), r"drew float64\[4, 4, 3\], which is not a picture"),
        (np.zeros((4, 4), np.uint8), "not a picture"),
        (np.zeros((4, 4, 4), np.uint8), "not a picture"),
        (np.zeros((0, 4, 3), np.uint8), "not a picture"),
        (np.zeros((2, 5, 3), np.uint8), r"different sizes, \[2, 4, 3\] and \[2, 5, 3\]"),
    ],
)
def test_what_is_no_frame_of_the_film_is_refused(frame: np.ndarray, complaint: str) -> None:
    reel = corridor(1)
    with pytest.raises(RenderingError, match=complaint):
        reel.add(frame)
    assert len(reel) == 1


def test_a_film_has_an_end(monkeypatch) -> None:
    monkeypatch.setattr(film, "MAX_FRAMES", 3)
    reel = corridor(3)
    with pytest.raises(RenderingError, match="more than 3 frames; ask for fewer"):
        reel.add(reel[0])


def test_a_film_replaces_a_film_and_nothing_else(tmp_path: Path) -> None:
    for name in film.FORMATS:
        path = tmp_path / f"a.{name}"
        film.write(path, corridor(2), name, fps=5)
        before = path.read_bytes()
        film.write(path, corridor(3), name, fps=5)
        assert path.read_bytes() != before
        Image.new("RGB", (2, 2)).save(path, "GIF")
        foreign = path.read_bytes()
        with pytest.raises(RenderingError, match=f"a.{name} exists already and is not a film"):
            film.write(path, corridor(2), name, fps=5)
        assert path.read_bytes() == foreign
    assert {path.name for path in tmp_path.iterdir()} == {"a.gif", "a.mp4", "a.png"}


@pytest.mark.parametrize("name", ["gif", "png", "mp4"])
def test_a_film_that_cannot_be_written_leaves_the_one_before(
    name: str, tmp_path: Path, monkeypatch
) -> None:
    path = tmp_path / f"a.{name}"
    film.write(path, corridor(2), name, fps=5)
    before = path.read_bytes()

    def half(part: Path, reel: Reel, fps: int) -> None:
        part.write_bytes(before[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(film.FORMATS, name, half)
    with pytest.raises(RenderingError, match=r"No space left on device\).*make room"):
        film.write(path, corridor(3), name, fps=5)
    # As if ffmpeg had ended without a message.
    monkeypatch.setitem(film.FORMATS, name, lambda part, reel, fps: part.write_bytes(before[:20]))
    with pytest.raises(RenderingError, match="the written file is incomplete"):
        film.write(path, corridor(3), name, fps=5)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_an_ffmpeg_that_fails_is_an_error(tmp_path: Path, monkeypatch) -> None:
    for command in ("/bin/false", "/nowhere/ffmpeg"):
        monkeypatch.setattr(film, "_ffmpeg", lambda command=command: command)
        with pytest.raises(RenderingError, match=r"cannot be written to .*a\.mp4 \("):
            film.write(tmp_path / "a.mp4", noise(20), "mp4", fps=50)
    assert list(tmp_path.iterdir()) == []


def test_places_where_no_film_can_be_are_named_before_it_is_made(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere" / "a.gif", Path("/proc/a.gif")):
        with pytest.raises(RenderingError, match=rf"cannot be written to {path} \(.*\); choose"):
            film.check_writable(path, "gif")
    film.check_writable(tmp_path / "a.gif", "gif")
    assert list(tmp_path.iterdir()) == []


def test_without_ffmpeg_an_mp4_names_the_extra_and_a_gif_is_written(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MissingExtraError, match=r"needs ffmpeg.*arlbench\[mp4\].*--format gif"):
        film.check_writable(tmp_path / "a.mp4", "mp4")
    film.write(tmp_path / "a.gif", corridor(2), "gif", fps=5)


@pytest.mark.parametrize(
    ("name", "out", "chosen"),
    [(None, None, "gif"), ("mp4", None, "mp4"), (None, "a.PNG", "png"), ("mp4", "a.mp4", "mp4"),
     ("png", "a", "png"), (None, "a", "gif")],
)  # fmt: skip
def test_the_format_is_what_was_asked_for_or_the_files(name: Any, out: Any, chosen: str) -> None:
    assert film.choose_format(name, None if out is None else Path(out)) == chosen


@pytest.mark.parametrize(
    ("name", "out", "complaint"),
    [
        ("git", None, r"format 'git' for a film. Did you mean 'gif'.*Known: gif, mp4, png"),
        ("", None, "format ''"),
        (None, "a.avi", "format 'avi'"),
        ("mp4", "a.gif", r"a\.gif ends in \.gif, but the format is mp4; leave one"),
    ],
)
def test_impossible_formats_are_named(name: Any, out: Any, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        film.choose_format(name, None if out is None else Path(out))
